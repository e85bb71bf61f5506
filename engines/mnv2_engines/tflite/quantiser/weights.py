"""Weights quantised per output channel, and a bias that takes back what their rounding costs on average."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mnv2_engines.tensors import FloatArray
from mnv2_engines.tflite.graph import Node, Scales
from mnv2_engines.tflite.operators.convolution import Conv2D, DepthwiseConv2D
from mnv2_engines.tflite.padding import same_padding

__all__ = ["ExpectedShift", "QuantisedWeights", "expected_shift", "quantise_weights"]


def expected_shift(node: Node, error: FloatArray, input_mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return each output channel's mean shift; `error` is shaped as the weights, `input_mean` is per channel."""
    operator = node.operator
    if isinstance(operator, DepthwiseConv2D):
        taps = _share_inside(node, operator)
        return np.asarray(np.einsum("hwc,hw,c->c", error[0], taps, np.repeat(input_mean, operator.multiplier)))
    if isinstance(operator, Conv2D):
        return np.asarray(np.einsum("ohwi,hw,i->o", error, _share_inside(node, operator), input_mean))
    return np.asarray(error.reshape(len(error), -1) @ np.resize(input_mean, error[0].size))


def _share_inside(node: Node, operator: Conv2D | DepthwiseConv2D) -> npt.NDArray[np.float64]:
    """Return, per tap of the kernel, the share of output pixels for which it reads the picture and not the padding."""
    shares = []
    for axis in (0, 1):
        size, taps = node.inputs[0].shape[1 + axis], node.inputs[1].shape[1 + axis]
        stride, dilation = operator.stride[axis], operator.dilation[axis]
        front = same_padding(size, (taps - 1) * dilation + 1, stride)[0] if operator.same else 0
        starts = np.arange(node.output.shape[1 + axis]) * stride - front
        places = starts[:, None] + np.arange(taps)[None, :] * dilation
        shares.append(((places >= 0) & (places < size)).mean(axis=0))
    return np.outer(shares[0], shares[1])


WEIGHT_LIMIT = 127
_BIAS_LIMIT = float(2**30)
"""Half of int32: the accumulator adds the products to the bias."""
_SMALLEST_RESCALE = 2.0**-31
"""XNNPACK takes input scale * weight scale / output scale from 2**-32 on; `legality` keeps the upper end."""
_LARGEST_SCALE = 1e30
"""Reached only by a bias that silences its channel for good."""

ExpectedShift: TypeAlias = Callable[[FloatArray], "npt.NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class QuantisedWeights:
    """Integers of one layer."""

    weights: npt.NDArray[np.int8]
    weight_scales: Scales
    bias: npt.NDArray[np.int32]
    bias_scales: Scales


def quantise_weights(
    weights: FloatArray,
    bias: FloatArray,
    channel_axis: int,
    *,
    input_scale: float,
    output_scale: float,
    expected_shift: ExpectedShift | None,
    kept: Scales | None = None,
) -> QuantisedWeights:
    """Round symmetric weights with a scale per slice of `channel_axis`, or with the scales that a quantised file gives.

    `expected_shift` maps the weights' rounding errors to what they add to each output on average: the bias takes it.
    """
    moved = np.moveaxis(weights, channel_axis, 0)
    rows = moved.reshape(len(moved), -1)
    if kept is not None:
        scales = np.broadcast_to(kept.scale, (len(rows),)).astype(np.float32)
    else:
        scales = (np.abs(rows).max(axis=1) / WEIGHT_LIMIT).astype(np.float32)
    # A channel of zeros, or one whose bias dwarfs its weights, needs a coarser scale to keep its bias inside int32.
    least = np.abs(bias, dtype=np.float64) / (_BIAS_LIMIT * input_scale)
    least = np.maximum(least, _SMALLEST_RESCALE * output_scale / input_scale)
    scales = np.minimum(np.maximum(scales, least), _LARGEST_SCALE).astype(np.float32)
    integers = np.clip(np.round(rows / scales[:, None]), -WEIGHT_LIMIT, WEIGHT_LIMIT)
    corrected = bias.astype(np.float64)
    if expected_shift is not None:
        error = np.moveaxis((integers * scales[:, None] - rows).reshape(moved.shape), 0, channel_axis)
        corrected = corrected - expected_shift(error)
    bias_scales = scales.astype(np.float64) * input_scale
    integer_bias = np.clip(np.round(corrected / bias_scales), -_BIAS_LIMIT, _BIAS_LIMIT)
    integer_weights = np.moveaxis(integers.reshape(moved.shape), 0, channel_axis)
    return QuantisedWeights(
        np.ascontiguousarray(integer_weights, dtype=np.int8),
        Scales(scales, 0, channel_axis),
        integer_bias.astype(np.int32),
        Scales(bias_scales.astype(np.float32), 0, 0),
    )
