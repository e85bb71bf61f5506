"""Convolutions and blocks as ONNX: what every network of the family is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks.head import HeadLayer
from mnv2_engines.networks.matching import layer_shapes
from mnv2_engines.networks.mobilenet_v2 import Convolution, InvertedResidual
from mnv2_engines.networks.onnx_graph import GraphWriter
from mnv2_engines.tensors import FloatArray

__all__ = ["NetworkWeights", "Padding", "random_features", "write_block", "write_convolution"]

Padding: TypeAlias = Literal["symmetric", "trailing"]
"""Where a 3x3 of stride 2 pads an even size: a pixel on each side (PyTorch), or right and bottom alone (TensorFlow)."""

PYTORCH_EPSILON: Final = 1e-5
_NORM_PARTS: Final = ("weight", "bias", "running_mean", "running_var")
"""In the order of ONNX's BatchNormalization."""


@dataclass(frozen=True, slots=True)
class NetworkWeights:
    """Learned weights, and how the framework that learned them pads and normalises."""

    features: Mapping[str, FloatArray]
    """By the names of `layer_shapes`."""
    head: tuple[HeadLayer, ...] = ()
    """Of a classifier; detectors and segmenters have theirs among the features."""
    padding: Padding = "symmetric"
    epsilon: float = PYTORCH_EPSILON
    """What BatchNorm adds to the variance: 1e-5 in PyTorch, 1e-3 in Keras' MobileNetV2."""


def random_features(layers: Iterable[Convolution], random: np.random.Generator) -> dict[str, FloatArray]:
    """Return random weights that keep signals at their size (He et al., arXiv 1502.01852, fan out)."""
    features: dict[str, FloatArray] = {}
    layers = list(layers)
    groups = {f"{layer.name}.weight": layer.groups for layer in layers}
    for name, shape in layer_shapes(layers).items():
        if name in groups:
            fan_out = shape[0] * shape[2] * shape[3] / groups[name]
            features[name] = random.normal(0.0, np.sqrt(2.0 / fan_out), shape).astype(np.float32)
        else:
            features[name] = np.full(shape, float(name.endswith(("weight", "running_var"))), np.float32)
    return features


def write_block(graph: GraphWriter, weights: NetworkWeights, block: InvertedResidual, value: str) -> str:
    """Append an inverted residual, with its shortcut if it has one; return the name of what it computes."""
    start = value
    for layer in block.convolutions:
        value = write_convolution(graph, weights, layer, value)
    if block.shortcut:
        value = graph.node("Add", f"{block.convolutions[-1].name}.shortcut", [start, value])
    return value


def write_convolution(graph: GraphWriter, weights: NetworkWeights, layer: Convolution, value: str) -> str:
    """Append a convolution with its BatchNorm or bias and its activation; return the name of what it computes.

    Raises ModelError when a weight is missing or has another shape.
    """
    operands = [value, _learned(graph, weights, f"{layer.name}.weight", layer.kernel_shape)]
    if layer.norm is None:
        operands.append(_learned(graph, weights, f"{layer.name}.bias", (layer.outputs,)))
    sides = [_pads(layer, side, weights.padding) for side in layer.size_hw]
    value = graph.node(
        "Conv",
        layer.name,
        operands,
        kernel_shape=[layer.kernel, layer.kernel],
        strides=[layer.stride, layer.stride],
        pads=[*(before for before, _ in sides), *(after for _, after in sides)],
        group=layer.groups,
        **({"dilations": [layer.dilation, layer.dilation]} if layer.dilation > 1 else {}),
    )
    if layer.norm is not None:
        parts = [_learned(graph, weights, f"{layer.norm}.{part}", (layer.outputs,)) for part in _NORM_PARTS]
        value = graph.node("BatchNormalization", layer.norm, [value, *parts], epsilon=weights.epsilon)
    if layer.activation == "relu6":
        return graph.relu6(f"{layer.norm or layer.name}.relu6", value)
    if layer.activation == "relu":
        return graph.node("Relu", f"{layer.norm or layer.name}.relu", [value])
    return value


def _pads(layer: Convolution, side: int, padding: Padding) -> tuple[int, int]:
    """Return how many pixels go before and behind an axis of this length.

    TensorFlow pads as little as gives its size, rounded up, and the odd pixel behind; for an odd size that is the same.
    """
    reach = (layer.kernel - 1) * layer.dilation
    if padding == "symmetric" or layer.stride == 1:
        return reach // 2, reach // 2
    least = max(0, (-(-side // layer.stride) - 1) * layer.stride + reach + 1 - side)
    return least // 2, least - least // 2


def _learned(graph: GraphWriter, weights: NetworkWeights, name: str, shape: tuple[int, ...]) -> str:
    array = weights.features.get(name)
    if array is None or array.shape != shape:
        found = "is missing" if array is None else f"has the shape {list(array.shape)}"
        raise ModelError(f"weight {name} {found}: expected {list(shape)}")
    return graph.constant(name, array)
