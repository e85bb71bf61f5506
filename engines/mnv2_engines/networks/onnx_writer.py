"""A network as ONNX, from its layers and its weights, without the framework that trained it."""

from math import prod
from typing import Final, TypeAlias

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.networks.head import (
    Affine,
    Dense,
    Flatten,
    GlobalPool,
    HeadActivation,
    HeadLayer,
    Pool,
    classifier_head,
)
from mnv2_engines.networks.layer_writer import (
    NetworkWeights,
    Padding,
    random_features,
    write_block,
    write_convolution,
)
from mnv2_engines.networks.mobilenet_v2 import MobileNetV2
from mnv2_engines.networks.onnx_graph import GraphWriter

__all__ = ["NetworkWeights", "Padding", "initial_weights", "write_head", "write_network"]

_Value: TypeAlias = tuple[str, tuple[int, ...]]
"""A name and a shape without batch: (channels, height, width) of a map, (length,) of a vector."""

_PLAIN_ACTIVATIONS: Final = {
    "relu": "Relu",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
    "softsign": "Softsign",
}


def write_head(graph: GraphWriter, head: tuple[HeadLayer, ...], features: str, shape: tuple[int, int, int]) -> int:
    """Append the head behind the map `features` of (channels, height, width); return how many classes it ends in.

    Raises ModelError when a layer does not fit what it is given, or when the head does not end in a vector.
    """
    value: _Value = (features, shape)
    for index, layer in enumerate(head):
        value = _write(graph, f"head.{index}", layer, value)
    if len(value[1]) != 1:
        raise ModelError(f"the head ends in a map of {list(value[1])}: expected a vector with a number for each class")
    return value[1][0]


def _write(graph: GraphWriter, name: str, layer: HeadLayer, value: _Value) -> _Value:
    if isinstance(layer, GlobalPool):
        return _global_pool(graph, name, layer, value)
    if isinstance(layer, Pool):
        return _pool(graph, name, layer, value)
    if isinstance(layer, Flatten):
        return _flatten(graph, name, value)
    if isinstance(layer, Dense):
        return _dense(graph, name, layer, value)
    if isinstance(layer, Affine):
        return _affine(graph, name, layer, value)
    return _activation(graph, name, layer, value[0]), value[1]


def _global_pool(graph: GraphWriter, name: str, layer: GlobalPool, value: _Value) -> _Value:
    channels, *size_hw = _map_shape(name, value)
    if layer.kind == "average":
        pooled = graph.node("GlobalAveragePool", name, [value[0]])
    else:  # a window as large as the map: TFLite has no operator of its own for it
        pooled = graph.node("MaxPool", name, [value[0]], kernel_shape=size_hw)
    if layer.keep_map:
        return pooled, (channels, 1, 1)
    return graph.node("Flatten", f"{name}.vector", [pooled], axis=1), (channels,)


def _pool(graph: GraphWriter, name: str, layer: Pool, value: _Value) -> _Value:
    channels, *size_hw = _map_shape(name, value)
    sides = zip(size_hw, layer.window_hw, layer.stride_hw, strict=True)
    pooled_hw = [(side - window) // stride + 1 for side, window, stride in sides]
    if min(pooled_hw) < 1:
        raise ModelError(f"{name} pools windows of {list(layer.window_hw)} out of a map of {size_hw} pixels")
    kind = "AveragePool" if layer.kind == "average" else "MaxPool"
    pooled = graph.node(kind, name, [value[0]], kernel_shape=layer.window_hw, strides=layer.stride_hw)
    return pooled, (channels, *pooled_hw)


def _flatten(graph: GraphWriter, name: str, value: _Value) -> _Value:
    """Bring a map into the order height, width, channels first: the next dense layer was trained on that.

    The compiler takes this Transpose for bookkeeping, because TFLite keeps maps in that order anyway. Permuting the
    dense kernel instead would be the same in ONNX, and would cost a real transpose in TFLite.
    """
    current, shape = value
    if len(shape) == 3:
        current = graph.node("Transpose", f"{name}.nhwc", [current], perm=[0, 2, 3, 1])
        current = graph.node("Flatten", name, [current], axis=1)
    return current, (prod(shape),)


def _dense(graph: GraphWriter, name: str, layer: Dense, value: _Value) -> _Value:
    outputs, inputs = layer.kernel.shape
    if value[1] != (inputs,):
        raise ModelError(f"{name}, a dense layer of {inputs} inputs, is given {list(value[1])}: pool or flatten before")
    operands = [value[0], graph.constant(f"{name}.weight", layer.kernel)]
    if layer.bias is not None:
        operands.append(graph.constant(f"{name}.bias", layer.bias))
    return graph.node("Gemm", name, operands, transB=1), (outputs,)


def _affine(graph: GraphWriter, name: str, layer: Affine, value: _Value) -> _Value:
    form = (1, -1, 1, 1) if len(value[1]) == 3 else (1, -1)
    scaled = graph.node(
        "Mul", f"{name}.multiply", [value[0], graph.constant(f"{name}.scale", layer.scale.reshape(form))]
    )
    return graph.node("Add", name, [scaled, graph.constant(f"{name}.shift", layer.shift.reshape(form))]), value[1]


def _activation(graph: GraphWriter, name: str, layer: HeadActivation, value: str) -> str:
    if layer.name == "relu6":
        return graph.relu6(name, value)
    if layer.name == "silu":
        return graph.node("Mul", name, [value, graph.node("Sigmoid", f"{name}.gate", [value])])
    if layer.name == "softmax":
        return graph.node("Softmax", name, [value], axis=1)
    if layer.name in {"leaky_relu", "elu"}:
        return graph.node("LeakyRelu" if layer.name == "leaky_relu" else "Elu", name, [value], alpha=layer.slope)
    return graph.node(_PLAIN_ACTIVATIONS[layer.name], name, [value])


def _map_shape(name: str, value: _Value) -> tuple[int, ...]:
    if len(value[1]) != 3:
        raise ModelError(f"{name} pools, and is given a vector of {value[1][0]}: a feature map was expected")
    return value[1]


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
