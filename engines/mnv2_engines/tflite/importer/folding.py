"""Constants computed at build time: the shape arithmetic that exporters leave in a file."""

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.importer.slicing import read_slice, split_sizes

__all__ = ["FOLDERS", "Constants", "fold"]

MAX_FOLDED_ELEMENTS = 1 << 26
"""Weights folded from a quantised file are the largest real case: 4 million for a MobileNetV2."""

_CAST_TYPES: dict[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64",
}  # fmt: skip


class Constants:
    """Inputs of one node, all of them known."""

    def __init__(self, node: OnnxNode, arrays: Sequence[TensorArray | None]) -> None:
        self.node = node
        self._arrays = arrays

    def __getitem__(self, index: int) -> TensorArray:
        array = self._arrays[index] if index < len(self._arrays) else None
        if array is None:
            raise ModelError(f"{self.node}: input {index} is missing")
        return array

    def integers(self, node: OnnxNode, index: int) -> tuple[int, ...]:
        """Return an input as a list of integers."""
        del node
        return tuple(int(item) for item in self[index].reshape(-1))

    def all(self) -> list[TensorArray]:
        """Return all inputs; ModelError when one is left out."""
        return [self[index] for index in range(len(self._arrays))]

    def limit(self, elements: float) -> None:
        """Refuse to build anything larger than a real file needs."""
        if not 0 <= elements <= MAX_FOLDED_ELEMENTS:
            raise ModelError(f"{self.node}: a constant of {elements:.0f} elements is more than any network here needs")


Folder: TypeAlias = Callable[[OnnxNode, Constants], "TensorArray | tuple[TensorArray, ...]"]


def fold(node: OnnxNode, inputs: Constants) -> tuple[TensorArray, ...]:
    """Compute a node of FOLDERS.

    Raises ModelError where numpy refuses the operands.
    """
    try:
        with np.errstate(all="ignore"):
            result = FOLDERS[node.op_type](node, inputs)
    except ModelError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as exc:
        raise ModelError(f"{node}: cannot be computed from its constant inputs: {exc}") from exc
    return result if isinstance(result, tuple) else (np.asarray(result),)


def _axes(node: OnnxNode, inputs: Constants) -> tuple[int, ...]:
    return inputs.integers(node, 1) if node.has_input(1) else node.integers("axes", ())


def _constant(node: OnnxNode, inputs: Constants) -> TensorArray:
    del inputs
    for key in ("value", "value_int", "value_ints", "value_float", "value_floats"):
        if key in node.attributes:
            value = node.attributes[key]
            if isinstance(value, np.ndarray):
                return value
            return np.array(value, np.float32 if "float" in key else np.int64)
    raise ModelError(f"{node}: holds no value that can be compiled")


def _constant_of_shape(node: OnnxNode, inputs: Constants) -> TensorArray:
    shape = inputs.integers(node, 0)
    inputs.limit(prod(shape) if min(shape, default=0) >= 0 else -1)
    value = node.attributes.get("value", np.zeros(1, np.float32))
    return np.full(shape, np.asarray(value).reshape(-1)[0])


def _cast(node: OnnxNode, inputs: Constants) -> TensorArray:
    dtype = _CAST_TYPES.get(node.integer("to"))
    if dtype is None:
        raise ModelError(f"{node}: casts to element type {node.integer('to')}, which is not a known number type")
    return inputs[0].astype(dtype)


def _divide(node: OnnxNode, inputs: Constants) -> TensorArray:
    del node
    left, right = inputs[0], inputs[1]
    inputs.limit(prod(np.broadcast_shapes(left.shape, right.shape)))
    if not np.issubdtype(left.dtype, np.integer):
        return np.asarray(left / right)
    if not np.all(right):
        raise ValueError("division by zero")
    return np.asarray(np.trunc(left / right).astype(left.dtype))  # ONNX rounds integers towards zero


def _reshape(node: OnnxNode, inputs: Constants) -> TensorArray:
    data = inputs[0]
    sizes = inputs.integers(node, 1) if node.has_input(1) else node.integers("shape")
    if node.integer("allowzero", 0) == 0:
        sizes = tuple(data.shape[k] if size == 0 else size for k, size in enumerate(sizes))
    return data.reshape(sizes)


def _unsqueeze(node: OnnxNode, inputs: Constants) -> TensorArray:
    return np.expand_dims(inputs[0], _axes(node, inputs))


def _squeeze(node: OnnxNode, inputs: Constants) -> TensorArray:
    return np.squeeze(inputs[0], _axes(node, inputs) or None)


def _slice(node: OnnxNode, inputs: Constants) -> TensorArray:
    cuts = [slice(None)] * inputs[0].ndim
    for part in read_slice(node, inputs, inputs[0].shape):
        stop = None if part.step < 0 and part.stop < 0 else part.stop
        cuts[part.axis] = slice(part.start, stop, part.step)
    return inputs[0][tuple(cuts)]


def _split(node: OnnxNode, inputs: Constants) -> tuple[TensorArray, ...]:
    axis = node.integer("axis", 0)
    sizes = split_sizes(node, inputs, inputs[0].shape[axis])
    return tuple(np.split(inputs[0], np.cumsum(sizes)[:-1], axis))


def _expand(node: OnnxNode, inputs: Constants) -> TensorArray:
    shape = np.broadcast_shapes(inputs[0].shape, inputs.integers(node, 1))
    inputs.limit(prod(shape))
    return np.broadcast_to(inputs[0], shape)


def _range(node: OnnxNode, inputs: Constants) -> TensorArray:
    del node
    start, limit, delta = (inputs[k].reshape(-1)[0] for k in range(3))
    inputs.limit(float((float(limit) - float(start)) / float(delta)) if delta else -1)
    return np.arange(start, limit, delta)


def _dequantize(node: OnnxNode, inputs: Constants) -> TensorArray:
    """Return real weights; the lowering keeps the scales beside them."""
    axis = node.integer("axis", 1)
    data, scale = inputs[0], inputs[1]
    zero_point = inputs[2] if node.has_input(2) else np.zeros(scale.shape, np.int32)
    if scale.ndim == 1 and scale.size > 1:
        shape = [1] * data.ndim
        shape[axis] = scale.size
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    elif scale.size != 1:
        raise ValueError(f"scale of shape {list(scale.shape)}")
    else:
        scale, zero_point = scale.reshape(()), zero_point.reshape(())
    return np.asarray((data.astype(np.float64) - zero_point) * scale).astype(np.float32)


def _quantize(node: OnnxNode, inputs: Constants) -> TensorArray:
    """Return integers; only per tensor, as exporters write constant activations."""
    scale = inputs[1].reshape(())
    zero_point = inputs[2].reshape(()) if node.has_input(2) else np.zeros((), np.uint8)
    limits = np.iinfo(zero_point.dtype)
    rounded = np.round(inputs[0].astype(np.float64) / scale) + zero_point
    return np.clip(rounded, limits.min, limits.max).astype(zero_point.dtype)


def _where(node: OnnxNode, inputs: Constants) -> TensorArray:
    del node
    inputs.limit(prod(np.broadcast_shapes(inputs[0].shape, inputs[1].shape, inputs[2].shape)))
    return np.where(inputs[0], inputs[1], inputs[2])


def _binary(function: Callable[[TensorArray, TensorArray], TensorArray]) -> Folder:
    def apply(node: OnnxNode, inputs: Constants) -> TensorArray:
        del node
        inputs.limit(prod(np.broadcast_shapes(inputs[0].shape, inputs[1].shape)))
        return np.asarray(function(inputs[0], inputs[1]))

    return apply


def _unary(function: Callable[[TensorArray], TensorArray]) -> Folder:
    def apply(node: OnnxNode, inputs: Constants) -> TensorArray:
        del node
        return np.asarray(function(inputs[0]))

    return apply


def _reduction(function: Callable[..., TensorArray]) -> Folder:
    def apply(node: OnnxNode, inputs: Constants) -> TensorArray:
        axes = _axes(node, inputs)
        return np.asarray(function(inputs[0], axis=axes or None, keepdims=node.integer("keepdims", 1) != 0))

    return apply


FOLDERS: dict[str, Folder] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "Cast": _cast,
    "Ceil": _unary(np.ceil),
    "Concat": lambda node, inputs: np.concatenate(inputs.all(), node.integer("axis")),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DequantizeLinear": _dequantize,
    "Div": _divide,
    "Equal": _binary(np.equal),
    "Exp": _unary(np.exp),
    "Expand": _expand,
    "Floor": _unary(np.floor),
    "Gather": lambda node, inputs: np.take(inputs[0], inputs[1].astype(np.int64), node.integer("axis", 0)),
    "Greater": _binary(np.greater),
    "Identity": _unary(np.asarray),
    "Less": _binary(np.less),
    "Max": _binary(np.maximum),
    "Min": _binary(np.minimum),
    "Mod": _binary(np.mod),
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative),
    "Not": _unary(np.logical_not),
    "Pow": _binary(np.power),
    "QuantizeLinear": _quantize,
    "Range": _range,
    "ReduceMax": _reduction(np.max),
    "ReduceMin": _reduction(np.min),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "Reshape": _reshape,
    "Round": _unary(np.round),
    "Shape": lambda node, inputs: np.array(inputs[0].shape, np.int64)[node.integer("start", 0) :],
    "Slice": _slice,
    "Split": _split,
    "Sqrt": _unary(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Transpose": lambda node, inputs: np.transpose(
        inputs[0], node.integers("perm", tuple(reversed(range(inputs[0].ndim))))
    ),
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
"""ONNX operator to what computes it from constants."""
