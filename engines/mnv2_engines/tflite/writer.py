"""The writer of a graph as a TFLite flatbuffer."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor

__all__ = ["with_outputs", "write_tflite"]

Table: TypeAlias = Any
"""An object of the generated schema, which comes without types."""

_FILE_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_PLACEHOLDER_CODE = 127
"""What `deprecatedBuiltinCode` holds for operators beyond the int8 range that it once was."""
_TENSOR_TYPES = {
    "float32": "FLOAT32",
    "float16": "FLOAT16",
    "int8": "INT8",
    "uint8": "UINT8",
    "int32": "INT32",
    "int64": "INT64",
    "bool": "BOOL",
}
_ROOM_FOR_TABLES = 1 << 17
_OUTPUTS_SLOT, _SIGNATURES_SLOT = 8, 18
"""Where the vtables of SubGraph and Model have these fields: 4 + 2 * the field's place in schema.fbs."""


def write_tflite(graph: Graph, *, outputs: Sequence[Tensor] | None = None, description: str = "mnv2-edge") -> bytes:
    """Serialise a graph; `outputs` replaces the graph's own, for looking at inner activations.

    The same graph gives the same bytes. Raises BackendUnavailableError where the schema is not installed (armv7l).
    """
    schema, flatbuffers = _import_schema()
    model = schema.ModelT()
    model.version = _SCHEMA_VERSION
    model.description = description
    model.buffers = [schema.BufferT()]
    model.operatorCodes = []
    writer = _Writer(schema, model)
    model.subgraphs = [writer.subgraph(graph, list(outputs if outputs is not None else graph.outputs))]
    model.signatureDefs = [writer.signature()]
    builder = flatbuffers.Builder(sum(0 if b.data is None else b.data.nbytes for b in model.buffers) + _ROOM_FOR_TABLES)
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(memoryview(builder.Bytes)[builder.Head() :])  # builder.Output() would copy the weights once more


def with_outputs(tflite: bytes, names: Sequence[str]) -> bytes:
    """Return a file of ours with other tensors as its outputs; raises KeyError for a name that it has not.

    The list of outputs is appended and one offset bent to it, so that the weights are copied once and not unpacked.
    """
    schema, _ = _import_schema()
    changed = bytearray(tflite)
    model = schema.Model.GetRootAs(changed)
    subgraph = model.Subgraphs(0)
    indices = {subgraph.Tensors(index).Name().decode(): index for index in range(subgraph.TensorsLength())}
    outputs = np.array([len(names), *(indices[name] for name in names)], "<u4")
    field = subgraph._tab.Pos + subgraph._tab.Offset(_OUTPUTS_SLOT)  # noqa: SLF001 - the generated code has no setters
    if model.SignatureDefsLength():  # they would still name the old outputs: a vector begins with its length
        signatures = model._tab.Vector(model._tab.Offset(_SIGNATURES_SLOT)) - 4  # noqa: SLF001
        changed[signatures : signatures + 4] = bytes(4)
    changed += bytes(-len(changed) % 4)
    changed[field : field + 4] = np.array(len(changed) - field, "<u4").tobytes()
    changed += outputs.tobytes()
    return bytes(changed)


class _Writer:
    """Numbers of the tensors, buffers and operator codes of one file."""

    def __init__(self, schema: ModuleType, model: Table) -> None:
        self._schema = schema
        self._model = model
        self._indices: dict[Tensor, int] = {}
        self._codes: dict[tuple[str, int], int] = {}

    def subgraph(self, graph: Graph, outputs: list[Tensor]) -> Table:
        subgraph = self._schema.SubGraphT()
        subgraph.name = "main"
        subgraph.tensors = []
        for tensor in graph.tensors():
            self._indices[tensor] = len(subgraph.tensors)
            subgraph.tensors.append(self._tensor(tensor))
        subgraph.inputs = self._numbers(graph.inputs)
        subgraph.outputs = self._numbers(outputs)
        subgraph.operators = [self._operator(node) for node in graph.nodes]
        self._subgraph = subgraph
        return subgraph

    def signature(self) -> Table:
        signature = self._schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.subgraphIndex = 0
        signature.inputs = [self._binding(index) for index in self._subgraph.inputs]
        signature.outputs = [self._binding(index) for index in self._subgraph.outputs]
        return signature

    def _binding(self, index: int) -> Table:
        binding = self._schema.TensorMapT()
        binding.name, binding.tensorIndex = self._subgraph.tensors[index].name, int(index)
        return binding

    def _numbers(self, tensors: Sequence[Tensor]) -> Table:
        return np.array([self._indices[tensor] for tensor in tensors], np.int32)

    def _tensor(self, tensor: Tensor) -> Table:
        table = self._schema.TensorT()
        table.name = tensor.name
        table.shape = np.array(tensor.shape, np.int32)
        table.type = getattr(self._schema.TensorType, _TENSOR_TYPES[tensor.dtype])
        table.buffer = 0 if tensor.data is None else self._buffer(tensor)
        if tensor.scales is not None and tensor.dtype != "float32":
            table.quantization = self._quantization(tensor.scales)
        return table

    def _buffer(self, tensor: Tensor) -> int:
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(tensor.data), np.uint8)
        self._model.buffers.append(buffer)
        return len(self._model.buffers) - 1

    def _quantization(self, scales: Scales) -> Table:
        table = self._schema.QuantizationParametersT()
        table.scale = scales.scale.astype(np.float32)
        table.zeroPoint = np.full(len(scales.scale), scales.zero_point, np.int64)
        table.quantizedDimension = scales.axis
        return table

    def _operator(self, node: Node) -> Table:
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code(node)
        operator.inputs = self._numbers(node.inputs)
        operator.outputs = self._numbers(node.outputs)
        options = node.operator.options(self._schema)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        return operator

    def _code(self, node: Node) -> int:
        quantised = any(tensor.dtype == "int8" for tensor in node.inputs)
        key = (node.operator.builtin, node.operator.version(quantised=quantised))
        if key not in self._codes:
            code = self._schema.OperatorCodeT()
            code.builtinCode = getattr(self._schema.BuiltinOperator, key[0])
            code.deprecatedBuiltinCode = min(code.builtinCode, _PLACEHOLDER_CODE)
            code.version = key[1]
            self._codes[key] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[key]


def _import_schema() -> tuple[ModuleType, ModuleType]:
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated
    except ImportError as exc:
        raise BackendUnavailableError(
            "ai-edge-litert is not importable, and only it can write TFLite files (there is none for 32-bit ARM): "
            "build the engine on another machine and copy it, or run `pip install ai-edge-litert`"
        ) from exc
    return schema_py_generated, flatbuffers
