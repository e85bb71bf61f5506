"""Compute what each int8 node should give, in float64 from its integers and scales, without any TFLite kernel."""

import numpy as np

from mnv2_engines.tflite.operator import Fusable


def real(tensor, integers):
    """Return the reals that a tensor's stored values stand for."""
    if tensor.scales is None or tensor.dtype == "float32":
        return np.asarray(integers, np.float64)
    scale = tensor.scales.scale.astype(np.float64)
    if len(scale) > 1:
        shape = [1] * len(tensor.shape)
        shape[tensor.scales.axis] = -1
        scale = scale.reshape(shape)
    return (np.asarray(integers, np.float64) - tensor.scales.zero_point) * scale


def stored(tensor, values):
    """Round reals to what a tensor can hold."""
    if tensor.dtype != "int8":
        return values
    integers = np.round(values / float(tensor.scales.scale[0])) + tensor.scales.zero_point
    return np.clip(integers, -128, 127).astype(np.int8)


def simulate(node, arrays):
    """Return a node's output as reals, from the stored arrays of its inputs (constants included)."""
    operator = node.operator
    values = [real(tensor, array) for tensor, array in zip(node.inputs, arrays, strict=True)]
    result = KERNELS[operator.builtin](operator, values, node)
    if isinstance(operator, Fusable):
        result = np.clip(result, *operator.activation.bounds)
    return result


def _windows(picture, kernel, stride, dilation, same, fill):
    """Return [1, rows, columns, channels, kernel height, kernel width] views of an NHWC picture."""
    pads = [(0, 0)]
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        size = picture.shape[1 + axis]
        total = max(0, (-(-size // stride[axis]) - 1) * stride[axis] + extent - size) if same else 0
        pads.append((total // 2, total - total // 2))
    padded = np.pad(picture, [*pads, (0, 0)], constant_values=fill)
    extents = [(kernel[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    views = np.lib.stride_tricks.sliding_window_view(padded, extents, axis=(1, 2))
    return views[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]


def _conv(operator, values, node):
    picture, weights, bias = values
    views = _windows(picture, weights.shape[1:3], operator.stride, operator.dilation, operator.same, 0.0)
    return np.einsum("brcihw,ohwi->brco", views, weights) + bias


def _depthwise(operator, values, node):
    picture, weights, bias = values
    views = _windows(picture, weights.shape[1:3], operator.stride, operator.dilation, operator.same, 0.0)
    repeated = np.repeat(views, operator.multiplier, axis=3)
    return np.einsum("brcohw,hwo->brco", repeated, weights[0]) + bias


def _max_pool(operator, values, node):
    return _windows(values[0], operator.kernel, operator.stride, (1, 1), operator.same, -np.inf).max(axis=(4, 5))


def _bilinear(operator, values, node):
    picture = values[0]
    for axis, outputs in zip((1, 2), operator.size, strict=True):
        size, x = picture.shape[axis], np.arange(outputs, dtype=np.float64)
        if operator.align_corners:
            places = x * (size - 1) / (outputs - 1) if outputs > 1 else np.zeros(1)
        else:
            shift = 0.5 if operator.half_pixel_centers else 0.0
            places = np.clip((x + shift) * size / outputs - shift, 0, size - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, size - 1)
        share = (places - low).reshape([-1 if k == axis else 1 for k in range(4)])
        picture = picture.take(low, axis) * (1 - share) + picture.take(high, axis) * share
    return picture


def _nearest(operator, values, node):
    picture = values[0]
    for axis, outputs in zip((1, 2), operator.size, strict=True):
        size, x = picture.shape[axis], np.arange(outputs, dtype=np.float64)
        step = (size - 1) / (outputs - 1) if operator.align_corners and outputs > 1 else size / outputs
        places = (x + (0.5 if operator.half_pixel_centers else 0.0)) * step
        picked = np.floor(places + 0.5) if operator.align_corners else np.floor(places)
        picture = picture.take(np.clip(picked, 0, size - 1).astype(int), axis)
    return picture


def _softmax(operator, values, node):
    shifted = np.exp(values[0] - values[0].max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _slice(operator, values, node):
    return values[0][tuple(slice(b, b + s) for b, s in zip(operator.begin, operator.size, strict=True))]


def _dense(operator, values, node):
    return (values[0] @ values[1].T + values[2]).reshape(node.output.shape)


KERNELS = {
    "ADD": lambda o, v, n: v[0] + v[1],
    "ARG_MAX": lambda o, v, n: np.argmax(v[0], axis=o.axis),
    "CONCATENATION": lambda o, v, n: np.concatenate(v, o.axis),
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": lambda o, v, n: v[0],
    "FULLY_CONNECTED": _dense,
    "LEAKY_RELU": lambda o, v, n: np.where(v[0] < 0, o.slope * v[0], v[0]),
    "LOGISTIC": lambda o, v, n: 1 / (1 + np.exp(-v[0])),
    "MAX_POOL_2D": _max_pool,
    "MEAN": lambda o, v, n: v[0].mean(axis=o.axes, keepdims=True),
    "MUL": lambda o, v, n: v[0] * v[1],
    "PAD": lambda o, v, n: np.pad(v[0], o.amounts),
    "QUANTIZE": lambda o, v, n: v[0],
    "RESHAPE": lambda o, v, n: v[0].reshape(o.shape),
    "RESIZE_BILINEAR": _bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _nearest,
    "SLICE": _slice,
    "SOFTMAX": _softmax,
    "SUB": lambda o, v, n: v[0] - v[1],
    "TRANSPOSE": lambda o, v, n: v[0].transpose(o.order),
}
