"""Write a network as ONNX, from its layers and its weights, without the framework that trained it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks.head import HeadLayer, classifier_head
from mnv2_engines.networks.head_writer import write_head
from mnv2_engines.networks.matching import parameter_shapes
from mnv2_engines.networks.mobilenet_v2 import Convolution, MobileNetV2
from mnv2_engines.networks.onnx_graph import GraphWriter
from mnv2_engines.tensors import FloatArray

__all__ = ["NetworkWeights", "Padding", "initial_weights", "write_network"]

Padding: TypeAlias = Literal["symmetric", "trailing"]
"""Where a 3x3 of stride 2 pads an even size: a pixel on each side (PyTorch), or right and bottom alone (TensorFlow)."""

PYTORCH_EPSILON: Final = 1e-5
_NORM_PARTS: Final = ("weight", "bias", "running_mean", "running_var")
"""In the order of ONNX's BatchNormalization."""


@dataclass(frozen=True, slots=True)
class NetworkWeights:
    """Hold what was learned, and how the framework that learned it pads and normalises."""

    features: Mapping[str, FloatArray]
    """By the names of `parameter_shapes`."""
    head: tuple[HeadLayer, ...]
    padding: Padding = "symmetric"
    epsilon: float = PYTORCH_EPSILON
    """What BatchNorm adds to the variance: 1e-5 in PyTorch, 1e-3 in Keras' MobileNetV2."""


def initial_weights(network: MobileNetV2, seed: int = 0) -> NetworkWeights:
    """Return random weights that keep signals at their size (He et al., arXiv 1502.01852, fan out).

    Enough to measure speed and memory, or to train from.
    """
    random = np.random.default_rng(seed)
    features: dict[str, FloatArray] = {}
    groups = {f"{layer.name}.weight": layer.groups for layer in network.convolutions()}
    for name, shape in parameter_shapes(network).items():
        if name in groups:
            fan_out = shape[0] * shape[2] * shape[3] / groups[name]
            features[name] = random.normal(0.0, np.sqrt(2.0 / fan_out), shape).astype(np.float32)
        else:
            features[name] = np.full(shape, float(name.endswith(("weight", "running_var"))), np.float32)
    kernel = random.normal(0.0, 0.01, (network.classes, network.feature_channels)).astype(np.float32)
    return NetworkWeights(features, classifier_head(kernel, np.zeros(network.classes, np.float32)))


def write_network(network: MobileNetV2, weights: NetworkWeights) -> bytes:
    """Return an ONNX file: `input` (1, 3, height, width), RGB on the scale it was trained on -> `output` (1, classes).

    BatchNorms stay nodes of their own, so that the file shows the network as it was trained; compilers fold them.
    Raises ModelError when a weight is missing or has another shape, or when the head does not fit.
    """
    graph = GraphWriter()
    value = _convolution(graph, weights, network.stem, "input")
    for block in network.blocks:
        start = value
        for layer in block.convolutions:
            value = _convolution(graph, weights, layer, value)
        if block.shortcut:
            value = graph.node("Add", f"{block.convolutions[-1].name}.shortcut", [start, value])
    value = _convolution(graph, weights, network.last, value)
    height, width = network.last.output_hw
    classes = write_head(graph, weights.head, value, (network.feature_channels, height, width))
    if classes != network.classes:
        raise ModelError(f"the head ends in {classes} numbers, and the network is to have {network.classes} classes")
    return graph.file((1, 3, *network.size_hw), (1, classes))


def _convolution(graph: GraphWriter, weights: NetworkWeights, layer: Convolution, value: str) -> str:
    """Append a convolution, its BatchNorm and, unless it ends in a bottleneck, a ReLU6."""
    before, after = _pads(layer, weights.padding)
    kernel = _learned(graph, weights, f"{layer.name}.weight", layer.kernel_shape)
    value = graph.node(
        "Conv",
        layer.name,
        [value, kernel],
        kernel_shape=[layer.kernel, layer.kernel],
        strides=[layer.stride, layer.stride],
        pads=[before, before, after, after],
        group=layer.groups,
    )
    parts = [_learned(graph, weights, f"{layer.norm}.{part}", (layer.outputs,)) for part in _NORM_PARTS]
    value = graph.node("BatchNormalization", layer.norm, [value, *parts], epsilon=weights.epsilon)
    return graph.relu6(f"{layer.norm}.relu6", value) if layer.relu6 else value


def _pads(layer: Convolution, padding: Padding) -> tuple[int, int]:
    """Return how many pixels go before and behind each axis; sizes here are even wherever the stride is 2."""
    if layer.stride == 2 and padding == "trailing":
        return 0, 1
    return layer.kernel // 2, layer.kernel // 2


def _learned(graph: GraphWriter, weights: NetworkWeights, name: str, shape: tuple[int, ...]) -> str:
    array = weights.features.get(name)
    if array is None or array.shape != shape:
        found = "is missing" if array is None else f"has the shape {list(array.shape)}"
        raise ModelError(f"weight {name} {found}: expected {list(shape)}")
    return graph.constant(name, array)
