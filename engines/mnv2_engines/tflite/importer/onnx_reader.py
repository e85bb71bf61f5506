"""The reader of an ONNX file as an OnnxModel: any fault of the file is a ModelError."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnv2_engines.errors import BackendUnavailableError, ModelError, UnsupportedOperatorError
from mnv2_engines.files.regular_file import MODEL_LIMIT, open_regular, read_regular
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.importer.onnx_model import Attribute, OnnxModel, OnnxNode, OnnxValue

if TYPE_CHECKING:
    from types import ModuleType

    import onnx

__all__ = ["MAX_MODEL_BYTES", "read_onnx"]

OLDEST_OPSET = 9
MAX_MODEL_BYTES = MODEL_LIMIT
"""A MobileNetV2 is 14 MB; beyond this, reading alone would push a small board into swap."""

_DTYPES: dict[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
"""TensorProto.DataType to numpy; strings, complex, bfloat16 and the float8 types are left out on purpose."""

_TYPED_FIELDS: dict[str, str] = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint64": "uint64_data",
    "uint32": "uint64_data",
}  # fmt: skip
"""Where a tensor without raw bytes keeps its elements; every other type is in int32_data."""


def read_onnx(path: Path) -> OnnxModel:
    """Read and check a model.

    Raises ModelError for a file that is missing, unreadable, damaged, too large, or older than opset 9.
    """
    onnx = _import_onnx()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # onnx depends on protobuf, which has no types

    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(_read_bytes(path))
    except (DecodeError, UnicodeDecodeError) as exc:
        raise ModelError(
            f"{path} is not an ONNX file: {exc}; expected what torch.onnx.export or tf2onnx writes"
        ) from exc
    if not proto.graph.node:
        raise ModelError(f"{path} holds no ONNX graph: expected what torch.onnx.export or tf2onnx writes")
    model = _Reader(path).model(proto)
    _require_text(path, model)
    return model


def _require_text(path: Path, model: OnnxModel) -> None:
    """Raise ModelError for a name that is not UTF-8, which protobuf gives as bytes instead of refusing it."""
    values = (value.name for value in (*model.inputs, *model.outputs))
    nodes = (
        name
        for node in model.nodes
        for name in (node.name, node.op_type, *node.inputs, *node.outputs, *node.attributes)
    )
    for name in (*model.constants, *values, *nodes):
        if not isinstance(name, str):
            raise ModelError(
                f"{path}: the name {name!r} is not UTF-8 text, as names in ONNX have to be: export it again"
            )


class _Reader:
    """Reader of one file's messages as plain values."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def model(self, proto: onnx.ModelProto) -> OnnxModel:
        graph = proto.graph
        if graph.sparse_initializer or proto.functions:
            raise ModelError(f"{self._path} holds sparse weights or local functions: export it again without them")
        opset = self._opset(proto)
        constants: dict[str, TensorArray] = {}
        for tensor in graph.initializer:
            constants[tensor.name] = self._array(tensor)
            tensor.Clear()  # a second copy of the weights is what a small board does not have
        return OnnxModel(
            opset=opset,
            inputs=tuple(self._value(value) for value in graph.input if value.name not in constants),
            outputs=tuple(self._value(value) for value in graph.output),
            nodes=tuple(self._node(index, node) for index, node in enumerate(graph.node)),
            constants=constants,
        )

    def _opset(self, proto: onnx.ModelProto) -> int:
        newest = _import_onnx().defs.onnx_opset_version()
        opset = max((entry.version for entry in proto.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
        if not OLDEST_OPSET <= opset <= newest:
            raise ModelError(
                f"{self._path} uses ONNX opset {opset}: expected {OLDEST_OPSET} to {newest}; "
                "export it again with opset_version=17"
            )
        return opset

    def _value(self, value: onnx.ValueInfoProto) -> OnnxValue:
        tensor = value.type.tensor_type
        dtype = _DTYPES.get(tensor.elem_type)
        if dtype is None:
            raise ModelError(
                f"{self._path}: {value.name!r} has element type {tensor.elem_type}, which is not a known number type"
            )
        # An output may come without a shape; an input must have one, which the lowering checks.
        shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
        return OnnxValue(value.name, dtype, shape)

    def _node(self, index: int, node: onnx.NodeProto) -> OnnxNode:
        name = node.name or f"{node.op_type}_{index}"
        if node.domain not in {"", "ai.onnx"}:
            raise UnsupportedOperatorError(
                f"operator {node.domain}.{node.op_type} of node {name!r} is none of ONNX's own: export without it"
            )
        attributes = {a.name: self._attribute(name, a) for a in node.attribute}
        return OnnxNode(name, node.op_type, tuple(node.input), tuple(node.output), attributes)

    def _attribute(self, node: str, attribute: onnx.AttributeProto) -> Attribute:
        kinds = type(attribute)
        if attribute.type == kinds.INT:
            return int(attribute.i)
        if attribute.type == kinds.FLOAT:
            return float(attribute.f)
        if attribute.type == kinds.STRING:
            return attribute.s.decode("utf-8", "replace")
        if attribute.type == kinds.INTS:
            return tuple(int(i) for i in attribute.ints)
        if attribute.type == kinds.FLOATS:
            return tuple(float(f) for f in attribute.floats)
        if attribute.type == kinds.TENSOR:
            return self._array(attribute.t)
        raise UnsupportedOperatorError(
            f"node {node!r}: attribute {attribute.name!r} is a subgraph or another type that cannot be compiled"
        )

    def _array(self, tensor: onnx.TensorProto) -> TensorArray:
        dtype = _DTYPES.get(tensor.data_type)
        if dtype is None:
            raise ModelError(
                f"{self._path}: tensor {tensor.name!r} has element type {tensor.data_type}, no number type known here"
            )
        shape = tuple(int(size) for size in tensor.dims)
        if min(shape, default=1) < 0 or prod(shape) * np.dtype(dtype).itemsize > MAX_MODEL_BYTES:
            raise ModelError(f"{self._path}: tensor {tensor.name!r} has the absurd shape {list(shape)}")
        if tensor.data_location == type(tensor).EXTERNAL:
            flat = self._elements(tensor, self._external(tensor), dtype)
        elif tensor.HasField("raw_data"):
            flat = self._elements(tensor, tensor.raw_data, dtype)
        else:
            flat = _typed_elements(tensor, dtype)
        if flat.size != prod(shape):
            raise ModelError(
                f"{self._path}: tensor {tensor.name!r} has {flat.size} elements, its shape is {list(shape)}"
            )
        return flat.astype(dtype, copy=False).reshape(shape)

    def _elements(self, tensor: onnx.TensorProto, raw: bytes, dtype: str) -> TensorArray:
        stored = np.dtype(dtype).newbyteorder("<")
        if len(raw) % stored.itemsize:
            raise ModelError(f"{self._path}: the elements of tensor {tensor.name!r} are cut short")
        return np.frombuffer(raw, stored)

    def _external(self, tensor: onnx.TensorProto) -> bytes:
        """Read weights that lie beside the file; a location that leads out of its folder is refused."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        folder = self._path.resolve().parent
        path = (folder / str(location)).resolve()
        if not location or folder not in path.parents:
            raise ModelError(
                f"{self._path}: tensor {tensor.name!r} lies in {location!r}, expected a file in the folder of the model"
            )
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
            with open_regular(path, MAX_MODEL_BYTES) as file:
                file.seek(offset)
                data: bytes = file.read(length if length >= 0 else MAX_MODEL_BYTES)
        except (OSError, ValueError) as exc:
            raise ModelError(
                f"{self._path}: the weights of {tensor.name!r} cannot be read from {location!r}: {exc}; "
                "copy both files together"
            ) from exc
        return data


def _typed_elements(tensor: onnx.TensorProto, dtype: str) -> TensorArray:
    field = _TYPED_FIELDS.get(dtype, "int32_data")
    values: Any = getattr(tensor, field)
    if dtype == "float16":  # stored as bit patterns
        return np.array(values, np.int32).astype(np.uint16).view(np.float16)
    return np.array(values, {"float_data": "float32", "double_data": "float64"}.get(field, "int64")).astype(dtype)


def _read_bytes(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_MODEL_BYTES)
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror or exc}; expected an ONNX file") from exc


def _import_onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as exc:
        raise BackendUnavailableError("onnx is not importable: run `pip install onnx`") from exc
    return onnx
