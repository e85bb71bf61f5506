"""Passes over the float graph: an equal graph with fewer operators."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mnv2_engines.tensors import FloatArray
from mnv2_engines.tflite.graph import Graph, Node, Tensor
from mnv2_engines.tflite.operator import Activation, Fusable, Weighted
from mnv2_engines.tflite.operators.activations import Rectifier
from mnv2_engines.tflite.operators.arithmetic import Add, Mul, Sub
from mnv2_engines.tflite.operators.convolution import Conv2D, DepthwiseConv2D
from mnv2_engines.tflite.operators.dense import FullyConnected
from mnv2_engines.tflite.operators.joining import Pad
from mnv2_engines.tflite.operators.shaping import Reshape, Transpose
from mnv2_engines.tflite.padding import same_padding

__all__ = ["fold_affine", "fuse_activations", "fuse_pads", "merge_reshapes", "simplify"]


def simplify(graph: Graph) -> None:
    """Apply every rewrite, in place; each keeps the network's function, to float rounding."""
    merge_reshapes(graph)
    fuse_pads(graph)
    fold_affine(graph)
    fuse_activations(graph)
    graph.remove_dead_nodes()


def fuse_activations(graph: Graph) -> None:
    """Let an operator that nothing else reads clamp its own output; the result keeps the rectifier's name."""
    producers, consumers = graph.producers(), graph.consumers()
    for node in list(graph.nodes):
        if not isinstance(node.operator, Rectifier):
            continue
        source = node.inputs[0]
        producer = producers.get(source)
        if (
            producer is None
            or not isinstance(producer.operator, Fusable)
            or producer.operator.activation is not Activation.NONE
        ):
            continue
        if len(consumers[source]) > 1 or source in graph.outputs:
            continue
        producer.operator = replace(producer.operator, activation=node.operator.activation)
        producer.outputs = node.outputs
        producers[node.output] = producer
        graph.nodes.remove(node)


@dataclass(frozen=True, slots=True)
class _Affine:
    """The function ``factor * x + offset`` along the last axis; both have one element per channel."""

    factor: FloatArray
    offset: FloatArray
    activation: Activation


def fold_affine(graph: Graph) -> None:
    """Fold each such node into a convolution or FULLY_CONNECTED that only it reads."""
    producers, consumers = graph.producers(), graph.consumers()
    for node in list(graph.nodes):
        source = next((tensor for tensor in node.inputs if tensor.data is None), None)
        producer = producers.get(source) if source is not None else None
        if source is None or producer is None or len(consumers[source]) > 1 or source in graph.outputs:
            continue
        weighted = producer.operator
        if not isinstance(weighted, Weighted) or weighted.activation is not Activation.NONE:
            continue
        affine = _read_affine(node, source)
        if (
            affine is None or producer.inputs[1].scales is not None
        ):  # scales that a quantised file keeps would not fit any more
            continue
        _apply(producer, weighted, affine)
        producer.outputs = node.outputs
        producers[node.output] = producer
        graph.nodes.remove(node)


def _read_affine(node: Node, source: Tensor) -> _Affine | None:
    """Return what a node does to each channel of `source`, None when it does more than that."""
    if isinstance(node.operator, DepthwiseConv2D):
        return _read_depthwise(node, node.operator, source)
    if isinstance(node.operator, (Add, Mul, Sub)):
        return _read_arithmetic(node, node.operator, source)
    return None


def _read_depthwise(node: Node, operator: DepthwiseConv2D, source: Tensor) -> _Affine | None:
    weights, bias = node.inputs[1], node.inputs[2]
    single = weights.shape == (1, 1, 1, source.shape[-1]) and operator.stride == (1, 1)
    if not single or weights.data is None or bias.data is None or weights.scales is not None:
        return None
    return _Affine(weights.data.reshape(-1), bias.data, operator.activation)


def _read_arithmetic(node: Node, operator: Add | Mul | Sub, source: Tensor) -> _Affine | None:
    channels = source.shape[-1]
    constant = next((tensor.data for tensor in node.inputs if tensor.data is not None), None)
    if constant is None or node.output.shape != source.shape:
        return None
    if constant.size not in {1, channels} or (constant.size > 1 and constant.shape[-1] != channels):
        return None
    values = np.broadcast_to(constant.reshape(-1), (channels,))
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if isinstance(operator, Mul):
        return _Affine(values, zeros, operator.activation)
    if isinstance(operator, Add):
        return _Affine(ones, values, operator.activation)
    if node.inputs[0] is source:
        return _Affine(ones, -values, operator.activation)
    return _Affine(-ones, values, operator.activation)


def _apply(producer: Node, operator: Weighted, affine: _Affine) -> None:
    weights, bias = producer.inputs[1], producer.inputs[2]
    if weights.data is None or bias.data is None:
        return
    shape = [1] * weights.data.ndim
    shape[operator.channel_axis] = -1
    factor = affine.factor.astype(np.float64)
    producer.inputs[1] = Tensor.constant(weights.name, (weights.data * factor.reshape(shape)).astype(np.float32))
    producer.inputs[2] = Tensor.constant(bias.name, (bias.data * factor + affine.offset).astype(np.float32))
    producer.operator = replace(operator, activation=affine.activation)


def fuse_pads(graph: Graph) -> None:
    """Drop a PAD of height and width that pads just as SAME would; other readers keep it."""
    producers = graph.producers()
    for node in graph.nodes:
        operator = node.operator
        pad = producers.get(node.inputs[0])
        if (
            not isinstance(operator, (Conv2D, DepthwiseConv2D))
            or operator.same
            or pad is None
            or not isinstance(pad.operator, Pad)
        ):
            continue
        source, weights = pad.inputs[0], node.inputs[1]
        wanted = [(0, 0), (0, 0), (0, 0), (0, 0)]
        fits = True
        for axis in (0, 1):
            extent = (weights.shape[1 + axis] - 1) * operator.dilation[axis] + 1
            size, stride = source.shape[1 + axis], operator.stride[axis]
            wanted[1 + axis] = same_padding(size, extent, stride)
            fits &= node.output.shape[1 + axis] == -(-size // stride)
        if fits and pad.operator.amounts == tuple(wanted):
            node.operator = replace(operator, same=True)
            node.inputs[0] = source


def merge_reshapes(graph: Graph) -> None:
    """Shorten chains of RESHAPE, drop those that change nothing, absorb a transposed flatten into the weights."""
    producers = graph.producers()
    for node in list(graph.nodes):
        if isinstance(node.operator, Reshape):
            before = producers.get(node.inputs[0])
            while before is not None and isinstance(before.operator, Reshape):
                node.inputs[0] = before.inputs[0]
                before = producers.get(node.inputs[0])
            if node.inputs[0].shape == node.output.shape and node.output not in graph.outputs:
                graph.replace(node.output, node.inputs[0])
                graph.nodes.remove(node)
        elif isinstance(node.operator, FullyConnected):
            _absorb_transpose(graph, node, producers)


def _absorb_transpose(graph: Graph, node: Node, producers: dict[Tensor, Node]) -> None:
    """Permute the weights' inputs instead of the features: Flatten of NCHW in front of a Gemm."""
    flatten = producers.get(node.inputs[0])
    if flatten is None or not isinstance(flatten.operator, Reshape):
        return
    transpose = producers.get(flatten.inputs[0])
    weights = node.inputs[1]
    if (
        transpose is None
        or not isinstance(transpose.operator, Transpose)
        or weights.data is None
        or node.inputs[0].shape[0] != 1
    ):
        return
    order = transpose.operator.order
    if order[0] != 0 or transpose.output.shape[0] != 1:  # the batch of 1 must stay in front
        return
    features = weights.data.reshape(-1, *transpose.output.shape[1:])
    back = tuple(np.argsort(order))
    permuted = np.ascontiguousarray(features.transpose(back)).reshape(weights.shape)
    source = transpose.inputs[0]
    flat = Tensor(f"{flatten.output.name}/nhwc", flatten.output.shape)
    flatten_here = Node(flatten.operator, [source, flatten.inputs[1]], [flat], flatten.origin)
    node.inputs = [flat, Tensor.constant(weights.name, permuted), node.inputs[2]]
    node.inputs[1].scales = weights.scales
    graph.nodes.insert(graph.nodes.index(node), flatten_here)
    producers[flat] = flatten_here
