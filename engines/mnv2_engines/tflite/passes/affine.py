"""Fold a factor and an offset per channel (BatchNorm, scale layers) into the weights in front of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mnv2_engines.tensors import FloatArray
from mnv2_engines.tflite.graph import Graph, Node, Tensor
from mnv2_engines.tflite.operator import Activation, Weighted
from mnv2_engines.tflite.operators.arithmetic import Add, Mul, Sub
from mnv2_engines.tflite.operators.convolution import DepthwiseConv2D

__all__ = ["fold_affine"]


@dataclass(frozen=True, slots=True)
class _Affine:
    """Compute ``factor * x + offset`` along the last axis; both have one element per channel."""

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
