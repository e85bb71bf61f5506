"""Shapes of everything in an ONNX file, by ONNX's own inference."""

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

__all__ = ["infer_values"]


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
