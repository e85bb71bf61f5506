"""A network as ONNX, from its layers and its weights, without the framework that trained it."""

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks.head import classifier_head
from mnv2_engines.networks.head_writer import write_head
from mnv2_engines.networks.layer_writer import (
    NetworkWeights,
    Padding,
    random_features,
    write_block,
    write_convolution,
)
from mnv2_engines.networks.mobilenet_v2 import MobileNetV2
from mnv2_engines.networks.onnx_graph import GraphWriter

__all__ = ["NetworkWeights", "Padding", "initial_weights", "write_network"]


def initial_weights(network: MobileNetV2, seed: int = 0) -> NetworkWeights:
    """Return random weights: enough to measure speed and memory, or to train from."""
    random = np.random.default_rng(seed)
    features = random_features(network.convolutions(), random)
    kernel = random.normal(0.0, 0.01, (network.classes, network.feature_channels)).astype(np.float32)
    return NetworkWeights(features, classifier_head(kernel, np.zeros(network.classes, np.float32)))


def write_network(network: MobileNetV2, weights: NetworkWeights) -> bytes:
    """Return an ONNX file: `input` (1, 3, height, width), RGB on the scale it was trained on -> `output` (1, classes).

    BatchNorms stay nodes of their own, so that the file shows the network as it was trained; compilers fold them.
    Raises ModelError when a weight is missing or has another shape, or when the head does not fit.
    """
    graph = GraphWriter()
    value = write_convolution(graph, weights, network.stem, "input")
    for block in network.blocks:
        value = write_block(graph, weights, block, value)
    value = write_convolution(graph, weights, network.last, value)
    height, width = network.last.output_hw
    classes = write_head(graph, weights.head, value, (network.feature_channels, height, width))
    if classes != network.classes:
        raise ModelError(f"the head ends in {classes} numbers, and the network is to have {network.classes} classes")
    return graph.file((1, 3, *network.size_hw), (1, classes))
