"""Conv and BatchNormalization: CONV_2D and DEPTHWISE_CONV_2D."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.graph import Scales, Shape, Tensor
from mnv2_engines.tflite.importer.lowering import NHWC, Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Weighted
from mnv2_engines.tflite.operators.arithmetic import Add, Mul, combine
from mnv2_engines.tflite.operators.joining import pad_picture
from mnv2_engines.tflite.padding import read_window, window_size

__all__ = ["Conv2D", "DepthwiseConv2D", "lower_batch_normalization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Convolution(Weighted):
    """Weights that slide over an NHWC picture."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    same: bool = False

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Follow TFLite's SAME or VALID."""
        (batch, height, width, _), weights = shapes[0], shapes[1]
        sizes = [
            window_size(size, weights[1 + axis], self.stride[axis], self.dilation[axis], same=self.same)
            for axis, size in enumerate((height, width))
        ]
        return ((batch, sizes[0], sizes[1], weights[self.channel_axis]),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(_Convolution):
    """Convolution over all channels; weights are [out, height, width, in]."""

    builtin: ClassVar[str] = "CONV_2D"
    channel_axis: ClassVar[int] = 0

    def options(self, schema: ModuleType) -> object:
        """Fill Conv2DOptions."""
        table = schema.Conv2DOptionsT()
        table.padding = schema.Padding.SAME if self.same else schema.Padding.VALID
        table.strideH, table.strideW = self.stride
        table.dilationHFactor, table.dilationWFactor = self.dilation
        table.fusedActivationFunction = self.activation.value
        return table

    def version(self, *, quantised: bool) -> int:
        """Ask for per-channel scales (3) when quantised."""
        return 3 if quantised else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(_Convolution):
    """Filter of each channel by itself; weights are [1, height, width, channels * multiplier]."""

    builtin: ClassVar[str] = "DEPTHWISE_CONV_2D"
    channel_axis: ClassVar[int] = 3

    multiplier: int = 1

    def options(self, schema: ModuleType) -> object:
        """Fill DepthwiseConv2DOptions."""
        table = schema.DepthwiseConv2DOptionsT()
        table.padding = schema.Padding.SAME if self.same else schema.Padding.VALID
        table.strideH, table.strideW = self.stride
        table.dilationHFactor, table.dilationWFactor = self.dilation
        table.depthMultiplier = self.multiplier
        table.fusedActivationFunction = self.activation.value
        return table

    def version(self, *, quantised: bool) -> int:
        """Ask for dilation (2) or per-channel scales (3) where used."""
        return 3 if quantised else 1 if self.dilation == (1, 1) else 2


@lowers("Conv")
def lower_conv(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower a two-dimensional convolution with constant weights; depthwise where every input channel is a group."""
    picture = lowering.picture(node)
    weights = lowering.constant(node, 1)
    if weights.ndim != 4:
        raise UnsupportedOperatorError(
            f"{node}: weights have shape {list(weights.shape)}, only two-dimensional convolutions compile"
        )
    groups = node.integer("group", 1)
    outputs, group_inputs, *kernel = weights.shape
    channels = picture.shape[3]
    if groups < 1 or outputs % groups or group_inputs * groups != channels:
        raise ModelError(f"{node}: {groups} groups of weights {list(weights.shape)} do not fit {channels} channels")
    bias = _bias(node, lowering, outputs)
    window = read_window(node, (picture.shape[1], picture.shape[2]), (kernel[0], kernel[1]))
    depthwise = groups > 1 and group_inputs == 1
    if groups > 1 and not depthwise:
        raise UnsupportedOperatorError(
            f"{node}: {groups} groups of {group_inputs} channels; only 1 or one per channel (depthwise) compiles"
        )
    if window.explicit:
        picture = pad_picture(node, lowering, picture, window.explicit)
    operator: Conv2D | DepthwiseConv2D
    if depthwise:
        operator = DepthwiseConv2D(
            stride=window.stride, dilation=window.dilation, same=window.same, multiplier=outputs // groups
        )
        layout = (1, 2, 3, 0)
    else:
        operator = Conv2D(stride=window.stride, dilation=window.dilation, same=window.same)
        layout = (0, 2, 3, 1)
    kernel_tensor = lowering.add_constant(node.inputs[1], weights.transpose(layout))
    kernel_tensor.scales = _kept(lowering.kept_scales.get(node.inputs[1]), operator.channel_axis)
    return TensorView(lowering.emit(node, operator, [picture, kernel_tensor, bias]), NHWC)


def _bias(node: OnnxNode, lowering: Lowering, outputs: int) -> Tensor:
    values: TensorArray = lowering.constant(node, 2) if node.has_input(2) else np.zeros(outputs, np.float32)
    if values.shape != (outputs,):
        raise ModelError(f"{node}: bias has shape {list(values.shape)}, expected [{outputs}]")
    return lowering.add_constant(f"{node.name}/bias", values.astype(np.float32))


def _kept(scales: Scales | None, channel_axis: int) -> Scales | None:
    """Move a quantised file's scales to where the output channels went; ONNX keeps those on axis 0."""
    if scales is None or (scales.axis != 0 and len(scales.scale) > 1):
        return None
    return Scales(scales.scale, scales.zero_point, channel_axis)


@lowers("BatchNormalization")
def lower_batch_normalization(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower inference-time normalisation: one factor and one offset per channel.

    A depthwise convolution gives each channel its own int8 scale, so a BatchNorm that stays alone loses nothing.
    """
    view = lowering.view(node, 0)
    channels = view.shape[1] if view.rank > 1 else 0
    scale, bias, mean, variance = (lowering.constant(node, index).astype(np.float64) for index in (1, 2, 3, 4))
    if any(parameter.shape != (channels,) for parameter in (scale, bias, mean, variance)):
        raise ModelError(f"{node}: parameters of shape {list(scale.shape)} do not fit {channels} channels")
    spread = variance + node.real("epsilon", 1e-5)
    if not (spread > 0).all():
        raise ModelError(f"{node}: a variance is negative")
    factor = scale / np.sqrt(spread)
    offset = bias - mean * factor
    if view.rank == 4:
        picture = lowering.picture(node)
        weights = lowering.add_constant(f"{node.name}/factor", factor.reshape(1, 1, 1, channels))
        return TensorView(
            lowering.emit(
                node, DepthwiseConv2D(), [picture, weights, lowering.add_constant(f"{node.name}/offset", offset)]
            ),
            NHWC,
        )
    axes = (1, channels, *(1,) * (view.rank - 2))
    constants = [
        TensorView.plain(lowering.add_constant(f"{node.name}/{what}", values.reshape(axes)))
        for what, values in (("factor", factor), ("offset", offset))
    ]
    return combine(node, lowering, Add(), combine(node, lowering, Mul(), view, constants[0]), constants[1])
