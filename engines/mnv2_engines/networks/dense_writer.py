"""Detectors and segmenters as ONNX: networks that answer for every place of a picture."""

import numpy as np

from mnv2_engines.networks.deeplab import DeepLabV3
from mnv2_engines.networks.layer_writer import NetworkWeights, random_features, write_block, write_convolution
from mnv2_engines.networks.mobilenet_v2 import Convolution
from mnv2_engines.networks.onnx_graph import GraphWriter
from mnv2_engines.networks.ssdlite import FIRST_MAP_BLOCK, SSDLite

__all__ = ["random_weights", "write_deeplab", "write_ssdlite"]


def random_weights(network: SSDLite | DeepLabV3, seed: int = 0) -> NetworkWeights:
    """Return random weights: enough to measure speed and memory, or to train from."""
    return NetworkWeights(random_features(network.convolutions(), np.random.default_rng(seed)))


def write_ssdlite(network: SSDLite, weights: NetworkWeights) -> bytes:
    """Return an ONNX file: `input` (1, 3, height, width) -> `boxes` (1, anchors, 4), `scores` (1, anchors, classes).

    Both are raw: box coding with scales 10, 10, 5, 5, scores before the sigmoid, as `detection: {anchors: ssd}` says.
    Raises ModelError when a weight is missing or has another shape.
    """
    graph = GraphWriter()
    value = write_convolution(graph, weights, network.stem, "input")
    maps = []
    for index, block in enumerate(network.blocks):
        value = write_block(graph, weights, block, value)
        if index == FIRST_MAP_BLOCK:
            maps.append(f"{block.convolutions[0].norm}.relu6")  # the block's middle, expanded and not yet halved
    value = write_convolution(graph, weights, network.last, value)
    maps.append(value)
    for layers in network.extras:
        for layer in layers:
            value = write_convolution(graph, weights, layer, value)
        maps.append(value)
    boxes, scores = [], []
    for head, features in zip(network.heads, maps, strict=True):
        count = head.places * head.anchors
        boxes.append(_flatten(graph, weights, head.boxes, features, (1, count, 4)))
        scores.append(_flatten(graph, weights, head.scores, features, (1, count, network.classes)))
    graph.node("Concat", "boxes", boxes, axis=1)
    graph.node("Concat", "scores", scores, axis=1)
    shapes = {"boxes": (1, network.anchors, 4), "scores": (1, network.anchors, network.classes)}
    return graph.file_of((1, 3, *network.size_hw), shapes)


def write_deeplab(network: DeepLabV3, weights: NetworkWeights) -> bytes:
    """Return an ONNX file: `input` (1, 3, height, width) -> `classes` (1, height, width), class numbers.

    Without `argmax` the output is `scores` (1, classes, height, width). Raises ModelError when a weight is missing or
    has another shape.
    """
    graph = GraphWriter()
    value = write_convolution(graph, weights, network.stem, "input")
    for block in network.blocks:
        value = write_block(graph, weights, block, value)
    mean = graph.node("GlobalAveragePool", "aspp.pool", [value])
    pooled = write_convolution(graph, weights, network.pooled, mean)
    views = [_resize(graph, "aspp.pool.laid", pooled, (1, network.pooled.outputs, *network.map_hw))]
    views += [write_convolution(graph, weights, branch, value) for branch in network.branches]
    value = graph.node("Concat", "aspp", views, axis=1)
    for layer in (network.projection, network.classifier):
        value = write_convolution(graph, weights, layer, value)
    shape = (1, network.classes, *network.size_hw)
    _resize(graph, "scores", value, shape)
    if not network.argmax:
        return graph.file_of((1, 3, *network.size_hw), {"scores": shape})
    graph.node("ArgMax", "classes", ["scores"], axis=1, keepdims=0)
    return graph.file_of((1, 3, *network.size_hw), {"classes": (1, *network.size_hw)}, classes=True)


def _flatten(
    graph: GraphWriter,
    weights: NetworkWeights,
    branch: tuple[Convolution, Convolution],
    value: str,
    shape: tuple[int, int, int],
) -> str:
    """Append a branch and bring what it gives into a row for every anchor: place by place, then anchor by anchor."""
    for layer in branch:
        value = write_convolution(graph, weights, layer, value)
    name = branch[-1].name
    rows = graph.node("Transpose", f"{name}.nhwc", [value], perm=[0, 2, 3, 1])
    return graph.node("Reshape", f"{name}.rows", [rows, graph.integers(f"{name}.shape", shape)])


def _resize(graph: GraphWriter, name: str, value: str, shape: tuple[int, int, int, int]) -> str:
    """Append a bilinear resize in which the centres of the corner pixels coincide, as TensorFlow's DeepLab has it."""
    sizes = graph.integers(f"{name}.size", shape)
    return graph.node(
        "Resize", name, [value, "", "", sizes], mode="linear", coordinate_transformation_mode="align_corners"
    )
