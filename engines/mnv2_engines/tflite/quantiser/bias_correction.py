"""The average error that rounded weights add to a layer's output, which the bias then takes back.

The sum over inputs of (rounded - exact weight) * E[input]: analytic bias correction (Nagel et al., arXiv 1906.04721,
4.2.1), here with means measured on the calibration pictures, and with the share of each tap that falls on padding. It
is the largest single gain of the quantiser (docs/quantisation.md).
"""

import numpy as np
import numpy.typing as npt

from mnv2_engines.tensors import FloatArray
from mnv2_engines.tflite.graph import Node
from mnv2_engines.tflite.operators.convolution import Conv2D, DepthwiseConv2D
from mnv2_engines.tflite.padding import same_padding

__all__ = ["expected_shift"]


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
