"""MaxPool, AveragePool, GlobalAveragePool and ReduceMean: MAX_POOL_2D, MEAN, and a DEPTHWISE_CONV_2D that averages."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensors import FloatArray
from mnv2_engines.tflite.graph import Shape, Tensor
from mnv2_engines.tflite.importer.lowering import NHWC, Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Operator, ScaleRule
from mnv2_engines.tflite.operators.arithmetic import Mul
from mnv2_engines.tflite.operators.convolution import DepthwiseConv2D
from mnv2_engines.tflite.operators.joining import emit_concatenation, emit_slice, pad_picture
from mnv2_engines.tflite.operators.shaping import reshape
from mnv2_engines.tflite.padding import Window, read_window, window_size

__all__ = ["MaxPool2D", "Mean"]


@dataclass(frozen=True, slots=True)
class MaxPool2D(Operator):
    """Largest element of each window of an NHWC picture, per channel; under SAME the padding does not count."""

    builtin: ClassVar[str] = "MAX_POOL_2D"
    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    kernel: tuple[int, int]
    stride: tuple[int, int]
    same: bool

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Follow TFLite's SAME or VALID."""
        batch, height, width, channels = shapes[0]
        rows = window_size(height, self.kernel[0], self.stride[0], 1, same=self.same)
        return ((batch, rows, window_size(width, self.kernel[1], self.stride[1], 1, same=self.same), channels),)

    def options(self, schema: ModuleType) -> object:
        """Fill Pool2DOptions."""
        table = schema.Pool2DOptionsT()
        table.padding = schema.Padding.SAME if self.same else schema.Padding.VALID
        table.filterHeight, table.filterWidth = self.kernel
        table.strideH, table.strideW = self.stride
        return table


@dataclass(frozen=True, slots=True)
class Mean(Operator):
    """Average over axes, which stay with size 1; input 1 holds them."""

    builtin: ClassVar[str] = "MEAN"
    rule: ClassVar[ScaleRule] = ScaleRule.OWN
    axes: tuple[int, ...]

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Shrink the axes to 1."""
        return (tuple(1 if axis in self.axes else size for axis, size in enumerate(shapes[0])),)

    def options(self, schema: ModuleType) -> object:
        """Fill ReducerOptions."""
        table = schema.ReducerOptionsT()
        table.keepDims = True
        return table


@lowers("GlobalAveragePool")
def lower_global_average_pool(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to MEAN over height and width."""
    return TensorView(_mean(node, lowering, lowering.picture(node), (1, 2)), NHWC)


@lowers("ReduceMean")
def lower_reduce_mean(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to MEAN; axes are an input since opset 18, and no axes mean all or, with noop_with_empty_axes, none."""
    view = lowering.view(node, 0)
    axes = lowering.integers(node, 1) if node.has_input(1) else node.integers("axes", ())
    if not axes:
        if node.integer("noop_with_empty_axes", 0):
            return view
        axes = tuple(range(view.rank))
    places = tuple(sorted({view.axis(axis) for axis in axes}))
    result = TensorView(_mean(node, lowering, view.tensor, places), view.order)
    if node.integer("keepdims", 1):
        return result
    dropped = {axis % view.rank for axis in axes}
    return reshape(node, lowering, result, tuple(size for axis, size in enumerate(view.shape) if axis not in dropped))


@lowers("MaxPool")
def lower_max_pool(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower; where TFLite's SAME does not give the padding, rows and columns at the edge are repeated.

    Every window that reaches into the padding also holds the edge, so the repetition never changes the largest element;
    zeros would, wherever the picture is negative.
    """
    picture, window = _pooled(node, lowering)
    if len(node.outputs) > 1:
        raise UnsupportedOperatorError(f"{node}: the indices output does not compile")
    if window.explicit:
        for axis, (front, behind) in zip((1, 2), window.explicit, strict=True):
            picture = _repeat_edges(node, lowering, picture, axis, front, behind)
    return TensorView(lowering.emit(node, MaxPool2D(window.kernel, window.stride, window.same), [picture]), NHWC)


@lowers("AveragePool")
def lower_average_pool(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to a depthwise convolution of equal weights, because XNNPACK takes no int8 AVERAGE_POOL_2D.

    A convolution counts the zeros of its padding; where ONNX does not, a MUL per window puts the divisor right.
    """
    picture, window = _pooled(node, lowering)
    size, channels = (picture.shape[1], picture.shape[2]), picture.shape[3]
    if window.kernel == size and window.pads == ((0, 0), (0, 0)):
        return TensorView(_mean(node, lowering, picture, (1, 2)), NHWC)
    if window.explicit:
        picture = pad_picture(node, lowering, picture, window.explicit)
    weights = np.full((1, *window.kernel, channels), 1.0 / (window.kernel[0] * window.kernel[1]), np.float32)
    constants = [
        lowering.add_constant(f"{node.name}/{what}", data)
        for what, data in (("weights", weights), ("bias", np.zeros(channels)))
    ]
    pooled = lowering.emit(node, DepthwiseConv2D(stride=window.stride, same=window.same), [picture, *constants])
    factors = _divisor_factors(node, window, size, (pooled.shape[1], pooled.shape[2]))
    if not np.all(factors == 1.0):
        pooled = lowering.emit(node, Mul(), [pooled, lowering.add_constant(f"{node.name}/factor", factors)])
    return TensorView(pooled, NHWC)


def _pooled(node: OnnxNode, lowering: Lowering) -> tuple[Tensor, Window]:
    picture = lowering.picture(node)
    kernel = node.integers("kernel_shape", length=2)
    window = read_window(node, (picture.shape[1], picture.shape[2]), (kernel[0], kernel[1]))
    if window.dilation != (1, 1):
        raise UnsupportedOperatorError(f"{node}: dilations {list(window.dilation)} do not compile in a pool")
    if any(max(pads) >= extent for pads, extent in zip(window.pads, kernel, strict=True)):
        raise ModelError(f"{node}: pads {window.pads} are as large as the kernel {list(kernel)}")
    return picture, window


def _mean(node: OnnxNode, lowering: Lowering, tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    return lowering.emit(node, Mean(axes), [tensor, lowering.add_constant(f"{node.name}/axes", np.array(axes))])


def _repeat_edges(node: OnnxNode, lowering: Lowering, picture: Tensor, axis: int, front: int, behind: int) -> Tensor:
    def edge(place: int) -> Tensor:
        begin = tuple(place if k == axis else 0 for k in range(4))
        return emit_slice(
            node, lowering, picture, begin, tuple(1 if k == axis else n for k, n in enumerate(picture.shape))
        )

    parts = [edge(0)] * front if front else []
    parts += [picture, *([edge(picture.shape[axis] - 1)] * behind if behind else [])]
    return emit_concatenation(node, lowering, parts, axis)


def _divisor_factors(node: OnnxNode, window: Window, size: tuple[int, int], outputs: tuple[int, int]) -> FloatArray:
    """Return, as [1, height, width, 1], what turns an average over whole windows into ONNX's.

    ONNX divides by the elements inside the picture, with count_include_pad by those inside the declared padding; what
    ceil_mode lets hang over behind that never counts.
    """
    counts = []
    counted = node.integer("count_include_pad", 0) != 0
    declared = node.integers("pads", (0, 0, 0, 0), length=4) if node.text("auto_pad", "NOTSET") == "NOTSET" else None
    for axis in (0, 1):
        front, behind = window.pads[axis]
        if counted and declared is not None:
            behind = min(behind, declared[2 + axis])
        first, last = (0, front + size[axis] + behind) if counted else (front, front + size[axis])
        starts = np.arange(outputs[axis]) * window.stride[axis]
        inside = np.minimum(starts + window.kernel[axis], last) - np.maximum(starts, first)
        counts.append(np.maximum(inside, 1))
    area = window.kernel[0] * window.kernel[1]
    factors: FloatArray = (area / (counts[0][:, None] * counts[1][None, :])).astype(np.float32)
    return factors[None, :, :, None]
