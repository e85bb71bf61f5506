"""Inspection of an ONNX file: shapes by ONNX's own inference, work and parameters by operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.files.regular_file import MODEL_LIMIT, read_regular
from mnv2_engines.inspection.graph import Shape, Value, element_count
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.importer.onnx_model import OnnxModel

if TYPE_CHECKING:
    import onnx
from collections.abc import Mapping, Sequence
from math import prod
from typing import Final

from mnv2_engines.inspection.graph import Inspection, Operation
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.importer.onnx_reader import read_onnx

__all__ = ["infer_values", "inspect_onnx"]


def infer_values(path: Path, model: OnnxModel) -> dict[str, Value]:
    """Return every value by name: inputs and constants of `model`, and what its nodes make, as far as can be told.

    A free first size of an input is taken for the batch, and is 1. Raises ModelError when ONNX gives up.
    """
    inferred = _infer(path)
    values = {
        info.name: _activation(info.name, info.type.tensor_type)
        for info in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    for node in model.nodes:
        for name in node.outputs:
            values.setdefault(name, Value(name, None, "?", constant=False, byte_count=None))
        constant = node.attributes.get("value")
        if node.op_type == "Constant" and node.outputs and isinstance(constant, np.ndarray):
            values[node.outputs[0]] = _constant(node.outputs[0], constant)
    values.pop("", None)  # an optional output that a node leaves out
    return values | {name: _constant(name, array) for name, array in model.constants.items()}


def _infer(path: Path) -> onnx.GraphProto:
    import onnx
    from onnx import shape_inference

    proto = onnx.load_model_from_string(read_regular(path, MODEL_LIMIT))
    for given in proto.graph.input:
        sizes = given.type.tensor_type.shape.dim
        if sizes and sizes[0].dim_value <= 0:
            sizes[0].dim_value = 1
    for stated in proto.graph.output:
        stated.type.tensor_type.ClearField("shape")  # it may state the free batch; inference knows better
    try:
        return shape_inference.infer_shapes(proto, strict_mode=False, data_prop=True).graph
    except (shape_inference.InferenceError, RuntimeError, ValueError) as exc:
        reason = " ".join(str(exc).split())
        raise ModelError(f"{path} is damaged: ONNX cannot infer its shapes ({reason}); export it again") from exc


def _activation(name: str, tensor: onnx.TypeProto.Tensor) -> Value:
    dtype = _dtype(tensor.elem_type)
    shape: Shape | None = None
    if tensor.HasField("shape"):
        shape = tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)
    count = element_count(shape)
    byte_count = None if count is None or dtype is None else count * dtype.itemsize
    return Value(name, shape, dtype.name if dtype else "?", constant=False, byte_count=byte_count)


def _constant(name: str, array: TensorArray) -> Value:
    return Value(name, array.shape, array.dtype.name, constant=True, byte_count=array.nbytes)


def _dtype(element_type: int) -> np.dtype[np.generic] | None:
    from onnx import helper

    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(element_type))
    except KeyError:  # 0, for a value whose type could not be inferred
        return None


_CONVOLUTIONS: Final = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
_PRODUCTS: Final = {"Gemm": 1, "MatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3}
"""Operator to the position of its kernel."""
_BIASES: Final = {"Conv": 2, "ConvTranspose": 2, "QLinearConv": 8, "Gemm": 2}
_LEARNED: Final = {
    "BatchNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "PRelu": (1,),
}
_ARITHMETIC: Final = frozenset({"Add", "Sub", "Mul", "Div"})
_OPAQUE: Final = frozenset({"LSTM", "GRU", "RNN", "Attention", "Einsum"})
"""Operators that multiply and whose work is not counted here."""


def inspect_onnx(path: Path) -> Inspection:
    """Read a file. Raises ModelError when it is damaged, missing or no ONNX."""
    model = read_onnx(path)
    values = infer_values(path, model)
    sources = _dequantised(model)
    counted: set[str] = set()
    operations = [_operation(node, values, sources, counted) for node in model.nodes if node.op_type != "Constant"]
    return Inspection(
        format="ONNX",
        file_bytes=path.stat().st_size,
        inputs=tuple(values[value.name] for value in model.inputs),
        outputs=tuple(_output(values, value.name, path) for value in model.outputs),
        operations=tuple(operations),
        values=values,
    )


def _output(values: Mapping[str, Value], name: str, path: Path) -> Value:
    if name not in values:
        raise ModelError(f"{path}: nothing computes the output {name!r}: the file is damaged; export it again")
    return values[name]


def _dequantised(model: OnnxModel) -> Mapping[str, str]:
    """Map what a DequantizeLinear makes of a constant to that constant: it is the layer's kernel all the same."""
    return {
        node.outputs[0]: node.inputs[0]
        for node in model.nodes
        if node.op_type == "DequantizeLinear"
        and node.outputs
        and node.has_input(0)
        and node.inputs[0] in model.constants
    }


def _operation(node: OnnxNode, values: Mapping[str, Value], sources: Mapping[str, str], counted: set[str]) -> Operation:
    """Describe one node; `counted` collects the constants whose parameters some node already has."""

    def learned(positions: tuple[int, ...]) -> int:
        total = 0
        for position in positions:
            name = node.inputs[position] if node.has_input(position) else ""
            name = sources.get(name, name)
            if name in counted or name not in values or not values[name].constant:
                continue
            counted.add(name)
            total += element_count(values[name].shape) or 0
        return total

    kernel_at = {**_CONVOLUTIONS, **_PRODUCTS}.get(node.op_type)
    positions = _LEARNED.get(node.op_type, () if kernel_at is None else (kernel_at,))
    if node.op_type in _ARITHMETIC:
        # A vector is learned (a bias, a scale); a single number is a constant of the formula.
        sizes = [element_count(_shape(values, node.inputs, at)) or 0 for at in range(len(node.inputs))]
        positions = tuple(at for at, size in enumerate(sizes) if size > 1)
    parameters = learned(positions)
    bias_at = _BIASES.get(node.op_type)
    bias = learned((bias_at,)) if bias_at is not None else 0
    constants = {name for name in node.inputs if name in values and values[name].constant}
    return Operation(
        name=node.name,
        operator=node.op_type,
        inputs=tuple(name for name in node.inputs if name),
        outputs=tuple(name for name in node.outputs if name),
        macs=_macs(node, values),
        kernel=_kernel(node, values),
        parameters=parameters + bias,
        bias=bias,
        weight_bytes=sum(values[name].byte_count or 0 for name in constants),
    )


def _macs(node: OnnxNode, values: Mapping[str, Value]) -> int | None:
    if node.op_type in _OPAQUE:
        return None
    outputs = element_count(_shape(values, node.outputs, 0))
    if node.op_type in _CONVOLUTIONS:
        kernel = _known(_shape(values, node.inputs, _CONVOLUTIONS[node.op_type]))
        if node.op_type == "ConvTranspose":  # every input element meets the whole kernel of its channel
            outputs = element_count(_shape(values, node.inputs, 0))
        return None if kernel is None or outputs is None else outputs * prod(kernel[1:])
    if node.op_type in _PRODUCTS:
        left = _shape(values, node.inputs, 0)
        inner = None if not left else left[0 if node.attributes.get("transA") == 1 else -1]
        return None if inner is None or outputs is None else outputs * inner
    return 0


def _kernel(node: OnnxNode, values: Mapping[str, Value]) -> tuple[int, ...] | None:
    if node.op_type in _CONVOLUTIONS:
        return _known(_shape(values, node.inputs, _CONVOLUTIONS[node.op_type]))
    if node.op_type not in _PRODUCTS:
        return None
    shape = _known(_shape(values, node.inputs, _PRODUCTS[node.op_type]))
    if shape is None or len(shape) != 2:
        return None
    return shape if node.attributes.get("transB") == 1 else shape[::-1]


def _shape(values: Mapping[str, Value], names: Sequence[str], at: int) -> Shape | None:
    """Return the shape of one of a node's inputs or outputs; None when it is not known or not there."""
    return values[names[at]].shape if at < len(names) and names[at] in values else None


def _known(shape: Shape | None) -> tuple[int, ...] | None:
    if shape is None:
        return None
    known = tuple(size for size in shape if size is not None)
    return known if len(known) == len(shape) else None
