"""Inspection of a TFLite file: everything that the flatbuffer says about its layers."""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mnv2_engines.errors import BackendUnavailableError, EngineError
from mnv2_engines.files.regular_file import MODEL_LIMIT, read_regular, read_start
from mnv2_engines.inspection.graph import Inspection, Operation, Value

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["inspect_tflite", "is_tflite"]

_KERNELS: Final = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1, "CONV_3D": 1}
_BIASES: Final = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3, "CONV_3D": 2}
_ARITHMETIC: Final = frozenset({"ADD", "SUB", "MUL", "DIV", "PRELU"})
_OPAQUE: Final = frozenset({"CUSTOM", "WHILE", "IF", "CALL_ONCE", "LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "RNN"})
_FACTORS: Final = {
    "CONV_2D": slice(1, None),  # outputs, height, width, inputs
    "DEPTHWISE_CONV_2D": slice(1, 3),  # 1, height, width, channels
    "FULLY_CONNECTED": slice(1, None),  # outputs, inputs
    "TRANSPOSE_CONV": slice(0, 3),  # outputs, height, width, inputs: every element of the picture meets the kernel
    "CONV_3D": slice(0, 4),  # depth, height, width, inputs, outputs
    "BATCH_MATMUL": slice(-1, None),  # of the left operand: its columns
}
"""What part of the kernel's shape multiplies, for each element of the output."""
_BYTES: Final = {
    "FLOAT32": 4, "FLOAT16": 2, "BFLOAT16": 2, "FLOAT64": 8, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2,
    "INT32": 4, "UINT32": 4, "INT64": 8, "UINT64": 8, "BOOL": 1,
}  # fmt: skip


def is_tflite(path: Path) -> bool:
    """Return whether a file carries TFLite's identifier. Raises EngineError when it cannot be read."""
    try:
        return read_start(path, 8)[4:] == b"TFL3"
    except OSError as exc:
        raise EngineError(f"{path} cannot be read: {exc.strerror}; expected an ONNX or a TFLite file") from exc


def inspect_tflite(path: Path) -> Inspection:
    """Read the file's first graph. Raises EngineError when it is damaged, or has none."""
    schema = _import_schema()
    raw = _read(path)
    try:
        model = schema.ModelT.InitFromPackedBuf(raw, 0)
        return _Graph(schema, model).inspect(len(raw))
    except (struct.error, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError) as exc:
        # What a flatbuffer's offsets lead to is not checked by its reader: anything of these is a damaged file.
        raise EngineError(f"{path} is damaged ({type(exc).__name__}: {exc}): build or download it again") from exc


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MODEL_LIMIT)
    except OSError as exc:
        raise EngineError(f"{path} cannot be read: {exc.strerror}; expected a TFLite file") from exc


class _Graph:
    """The first subgraph of a model."""

    def __init__(self, schema: "ModuleType", model: Any) -> None:  # noqa: ANN401 - generated classes without types
        self._operators = _names(schema.BuiltinOperator)
        self._types = _names(schema.TensorType)
        self._model = model
        self._graph = model.subgraphs[0]
        self._values: list[Value] = []
        taken = {""}
        for index, tensor in enumerate(self._graph.tensors):
            name = tensor.name.decode("utf-8", "replace") if tensor.name else ""
            name = f"{name}#{index}" if name in taken else name  # they need not be unique in TFLite
            taken.add(name)
            self._values.append(self._value(name, tensor))

    def inspect(self, file_bytes: int) -> Inspection:
        counted: set[int] = set()
        operations = [self._operation(index, op, counted) for index, op in enumerate(self._graph.operators)]
        inputs = [self._values[at] for at in self._graph.inputs]
        outputs = [self._values[at] for at in self._graph.outputs]
        used = {name for op in operations for name in (*op.inputs, *op.outputs)}
        used.update(value.name for value in (*inputs, *outputs))
        return Inspection(
            format="TFLite",
            file_bytes=file_bytes,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            operations=tuple(operations),
            values={value.name: value for value in self._values if value.name in used},
        )

    def _value(self, name: str, tensor: Any) -> Value:  # noqa: ANN401 - as above
        shape = tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()
        signature = tensor.shapeSignature if tensor.shapeSignature is not None else shape
        free = tuple(
            None if stated < 0 and at > 0 else size
            for at, (size, stated) in enumerate(zip(shape, signature, strict=True))
        )
        data = self._model.buffers[tensor.buffer].data
        dtype = self._types.get(tensor.type, "?")
        constant = data is not None and len(data) > 0
        byte_count: int | None = None
        if constant:
            byte_count = len(data)
        elif dtype in _BYTES and None not in free:
            byte_count = prod(shape) * _BYTES[dtype]
        return Value(name, free, dtype.lower(), constant, byte_count)

    def _operation(self, index: int, op: Any, counted: set[int]) -> Operation:  # noqa: ANN401 - as above
        code = self._model.operatorCodes[op.opcodeIndex]
        operator = self._operators.get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")
        inputs = [int(at) for at in (op.inputs if op.inputs is not None else ())]
        outputs = [int(at) for at in (op.outputs if op.outputs is not None else ())]

        def learned(positions: Sequence[int]) -> int:
            total = 0
            for position in positions:
                at = inputs[position] if position < len(inputs) else -1
                if at >= 0 and at not in counted and self._values[at].constant:
                    counted.add(at)
                    total += _count(self._values[at])
            return total

        positions = [_KERNELS[operator]] if operator in _KERNELS else []
        if operator in _ARITHMETIC:
            positions = [position for position, at in enumerate(inputs) if at >= 0 and _count(self._values[at]) > 1]
        kernel = learned(positions)
        bias = learned([_BIASES[operator]]) if operator in _BIASES else 0
        constants = {at for at in inputs if at >= 0 and self._values[at].constant}
        return Operation(
            name=self._values[outputs[0]].name if outputs else f"{operator}_{index}",
            operator=operator,
            inputs=tuple(self._values[at].name for at in inputs if at >= 0),
            outputs=tuple(self._values[at].name for at in outputs),
            macs=self._macs(operator, inputs, outputs),
            kernel=self._kernel(operator, inputs),
            parameters=kernel + bias,
            bias=bias,
            weight_bytes=sum(self._values[at].byte_count or 0 for at in constants),
        )

    def _macs(self, operator: str, inputs: Sequence[int], outputs: Sequence[int]) -> int | None:
        if operator in _OPAQUE:
            return None
        if operator not in _FACTORS:
            return 0
        over = self._values[inputs[2] if operator == "TRANSPOSE_CONV" else outputs[0]]
        operand = self._values[inputs[0] if operator == "BATCH_MATMUL" else inputs[1]]
        factors = (operand.shape or (None,))[_FACTORS[operator]]
        if over.shape is None or None in (*over.shape, *factors):
            return None
        return _count(over) * prod(size for size in factors if size is not None)

    def _kernel(self, operator: str, inputs: Sequence[int]) -> tuple[int, ...] | None:
        """Return the kernel's shape in ONNX's order."""
        if operator not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            return None
        shape = tuple(size for size in self._values[inputs[1]].shape or () if size is not None)
        if operator == "FULLY_CONNECTED":
            return shape
        first, height, width, last = shape
        return (first, last, height, width) if operator == "CONV_2D" else (last, 1, height, width)


def _count(value: Value) -> int:
    return prod(size for size in value.shape or () if size is not None)


def _names(enumeration: type) -> Mapping[int, str]:
    return {number: name for name, number in vars(enumeration).items() if isinstance(number, int)}


def _import_schema() -> "ModuleType":
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as exc:
        raise BackendUnavailableError(
            "ai-edge-litert is not importable, and only it can read TFLite files as such (there is none for 32-bit "
            "ARM): inspect the file on another machine, or run `pip install ai-edge-litert`"
        ) from exc
    schema: ModuleType = schema_py_generated
    return schema
