"""Grow random small networks over the compiler's operator set, with hypothesis."""

import numpy as np
from hypothesis import strategies as st

from support.onnx_networks import Network

BLOCKS = {}


def block(function):
    BLOCKS[function.__name__] = function
    return function


class Growing:
    """Grow a network value by value, keeping the shape of the current one ([channels, height, width])."""

    def __init__(self, draw, size, opset, seed):
        self.draw = draw
        self.network = Network((1, 3, *size), opset=opset, seed=seed)
        self.channels, self.height, self.width = 3, *size

    def pick(self, *values):
        return self.draw(st.sampled_from(values))

    def floats(self, *shape, low=-1.0, high=1.0):
        return self.network.constant(self.network.rng.uniform(low, high, shape).astype(np.float32))

    def ints(self, *values):
        return self.network.constant(np.array(values, np.int64))

    def node(self, op, inputs=None, **attributes):
        return self.network.node(op, inputs, **attributes)

    @property
    def last(self):
        return self.network.last

    def conv(self, outputs, kernel, *, group=1, stride=1, dilation=1, padding="same"):
        extent = (kernel - 1) * dilation + 1
        attributes = {"strides": [stride] * 2, "dilations": [dilation] * 2}
        sizes = []
        for size in (self.height, self.width):
            if padding in {"SAME_UPPER", "SAME_LOWER"}:
                sizes.append(-(-size // stride))
            elif padding == "same":
                sizes.append((size + 2 * (extent // 2) - extent) // stride + 1)
            elif padding == "uneven":
                sizes.append((size + 1 + extent // 2 - extent) // stride + 1)
            else:
                sizes.append((size - extent) // stride + 1)
        if min(sizes) < 1:
            return
        if padding == "same":
            attributes["pads"] = [extent // 2] * 4
        elif padding == "uneven":
            attributes["pads"] = [1, extent // 2, extent // 2, 1]
        else:
            attributes["auto_pad"] = padding
        self.network.conv(self.channels, outputs, kernel, group=group, bias=self.pick(True, False), **attributes)
        self.channels, (self.height, self.width) = outputs, sizes


@block
def convolution(g):
    kernel, pads = g.pick(1, 3, 5), padding(g, 3)
    dilation = 1 if pads.startswith("SAME") else g.pick(1, 2)  # ONNX Runtime refuses both together
    g.conv(g.pick(4, 8, 6), kernel, stride=g.pick(1, 2), dilation=dilation, padding="same" if kernel == 1 else pads)


@block
def depthwise(g):
    kernel = g.pick(3, 5)
    g.conv(g.channels * g.pick(1, 2), kernel, group=g.channels, stride=g.pick(1, 2), padding=padding(g, kernel))


def padding(g, kernel):
    return g.pick("same", "VALID", "SAME_UPPER", "SAME_LOWER", *(["uneven"] if kernel > 1 else []))


@block
def batch_normalization(g):
    c = g.channels
    g.node(
        "BatchNormalization",
        [g.last, g.floats(c, low=0.5, high=2), g.floats(c), g.floats(c), g.floats(c, low=0.5, high=2)],
    )


@block
def clip(g):
    low, high = g.pick((0.0, 6.0), (0.0, 1.0), (-1.0, 1.0), (-0.5, 0.25), (0.1, 0.4), (None, 0.5), (-0.3, None))
    inputs = [g.last] + ["" if bound is None else g.network.constant(np.float32(bound)) for bound in (low, high)]
    while inputs[-1] == "":
        inputs.pop()
    g.node("Clip", inputs)


@block
def relu(g):
    g.node("Relu")


@block
def leaky_relu(g):
    g.node("LeakyRelu", alpha=g.pick(0.01, 0.1, 0.3, 1.5))


@block
def hard_swish(g):
    g.node("HardSwish") if g.network.opset >= 14 else g.node("HardSigmoid", alpha=1 / 6)


@block
def gate(g):
    value = g.last
    if g.pick(True, False):
        g.node("GlobalAveragePool")
    scale = g.node("Sigmoid")
    g.node("Mul", [value, scale])


@block
def product(g):
    """Multiply by another activation: as large, one number a channel, one number a pixel; either may stand first."""
    value = g.last
    kind = g.pick("picture", "channels", "pixels", "lower rank")
    if kind == "channels":
        g.node("GlobalAveragePool")
    elif kind == "lower rank":
        g.node("GlobalAveragePool")
        g.node("Reshape", [g.last, g.ints(g.channels, 1, 1)])
    else:
        channels = g.channels
        g.conv(channels if kind == "picture" else 1, 1, padding="VALID")
        g.channels = channels
    g.node("Mul", [value, g.last] if g.pick(True, False) else [g.last, value])


@block
def residual(g):
    value = g.last
    g.conv(g.channels, 1, padding="VALID")
    if g.pick(True, False):
        g.node("Relu")
    g.node(g.pick("Add", "Sub"), [value, g.last])


@block
def constants(g):
    shape = g.pick((), (1,), (g.channels, 1, 1), (1, g.channels, 1, 1))
    op = g.pick("Add", "Sub", "Mul", "Div")
    values = g.floats(*shape, low=0.5, high=2.0)
    g.node(op, [g.last, values] if op == "Div" or g.pick(True, False) else [values, g.last])


@block
def concat(g):
    value, count, channels = g.last, g.pick(2, 3, 5), g.channels
    names = [value]
    for _ in range(count - 1):
        g.network.last, g.channels = value, channels
        g.conv(4, 1, padding="VALID")
        names.append(g.node("Relu") if g.pick(True, False) else g.last)
    g.node("Concat", names, axis=g.pick(1, -3))
    g.channels = channels + 4 * (count - 1)


@block
def split(g):
    if g.channels % 2 or g.channels < 4:
        return
    half = g.channels // 2
    if g.network.opset < 13:
        first, second = g.node("Split", outputs=2, axis=1, split=[half, half])
    else:
        first, second = g.node("Split", [g.last, g.ints(half, half)], outputs=2, axis=1)
    g.node("Add", [first, second])
    g.channels = half


@block
def cut(g):
    if g.width < 4:
        return
    g.node("Slice", [g.last, g.ints(1), g.ints(-1), g.ints(3), g.ints(1)])
    g.width -= 2


@block
def pad(g):
    g.node("Pad", [g.last, g.ints(0, 0, 1, 0, 0, 0, 2, 1)])
    g.height, g.width = g.height + 3, g.width + 1


@block
def max_pool(g):
    if min(g.height, g.width) < 3:
        return
    if g.pick(True, False):
        g.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
        g.height, g.width = g.height // 2, g.width // 2
    else:
        g.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
        g.height, g.width = (g.height - 1) // 2 + 1, (g.width - 1) // 2 + 1


@block
def average_pool(g):
    if min(g.height, g.width) < 3:
        return
    stride, ceil_mode = g.pick(1, 2), g.pick(0, 1)
    g.node(
        "AveragePool",
        kernel_shape=[3, 3],
        strides=[stride, stride],
        pads=[1, 1, 1, 1],
        count_include_pad=g.pick(0, 1),
        ceil_mode=ceil_mode,
    )
    g.height, g.width = (pooled(size, stride, ceil_mode) for size in (g.height, g.width))


def pooled(size, stride, ceil_mode):
    count = -(-(size - 1) // stride) + 1 if ceil_mode else (size - 1) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + 1 else count


@block
def resize(g):
    if max(g.height, g.width) > 20:
        return
    mode = g.pick("nearest", "linear")
    roi = g.floats(0) if g.network.opset < 13 else ""  # optional since 13
    none = g.floats(0) if g.network.opset < 13 else ""
    transform = g.pick("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    if mode == "nearest":
        g.node(
            "Resize",
            [g.last, roi, g.network.constant(np.array([1, 1, 2, 2], np.float32))],
            mode=mode,
            **g.pick(
                {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
                {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"},
            ),
        )
        g.height, g.width = g.height * 2, g.width * 2
    else:
        height, width = g.height + g.pick(1, 5), g.width * 2
        g.node(
            "Resize",
            [g.last, roi, none, g.ints(1, g.channels, height, width)],
            mode=mode,
            coordinate_transformation_mode=transform,
        )
        g.height, g.width = height, width


@block
def shuffle(g):
    if g.channels % 2:
        return
    c, h, w = g.channels, g.height, g.width
    g.node("Reshape", [g.last, g.ints(1, 2, c // 2, h, w)])
    g.node("Transpose", perm=[0, 2, 1, 3, 4])
    g.node("Reshape", [g.last, g.ints(0, -1, h, w)])


@block
def softmax(g):
    g.node("Softmax", axis=1) if g.network.opset >= 13 else g.node("Sigmoid")


def dense(g, inputs):
    if g.pick(True, False):
        g.node("Gemm", [g.last, g.floats(5, inputs, low=-0.3, high=0.3), g.floats(5)], transB=1)
    else:
        g.node("MatMul", [g.last, g.floats(inputs, 5, low=-0.3, high=0.3)])
        g.node("Add", [g.last, g.floats(5)])
    if g.pick(True, False):
        g.node("Softmax", axis=-1 if g.network.opset >= 13 else 1)


def finish(g):
    """End as classifiers, detectors and segmenters do."""
    kind = g.pick("picture", "pooled", "flat", "mean", "head")
    if kind == "pooled":
        g.node("GlobalAveragePool")
        g.node("Flatten")
        dense(g, g.channels)
    elif kind == "flat":
        g.node("Flatten")
        dense(g, g.channels * g.height * g.width)
    elif kind == "mean":
        g.node("ReduceMean", [g.last, g.ints(2, 3)], keepdims=0) if g.network.opset >= 18 else g.node(
            "ReduceMean", axes=[2, 3], keepdims=0
        )
        dense(g, g.channels)
    elif kind == "head":
        g.node("Transpose", perm=[0, 2, 3, 1])
        g.node("Reshape", [g.last, g.ints(1, -1, g.channels)])


@st.composite
def networks(draw):
    size = (draw(st.integers(6, 17)), draw(st.integers(6, 17)))
    g = Growing(draw, size, draw(st.sampled_from([11, 13, 17, 18, 21])), draw(st.integers(0, 10_000)))
    if draw(st.booleans()):
        convolution(g)
    for name in draw(st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=5)):
        BLOCKS[name](g)
        g.network.blocks = [*getattr(g.network, "blocks", []), name]
    if not g.network.nodes:
        relu(g)
    finish(g)
    return g.network
