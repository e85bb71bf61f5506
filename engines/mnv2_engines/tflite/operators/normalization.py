"""BatchNormalization: a 1x1 DEPTHWISE_CONV_2D, which the fusing pass merges into the convolution in front."""

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.importer.lowering import NHWC, Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operators.arithmetic import Add, Mul, combine
from mnv2_engines.tflite.operators.convolution import DepthwiseConv2D

__all__ = ["lower_batch_normalization"]


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
