"""Let the channels of an activation use the same range, so that one int8 scale serves all of them.

A channel multiplied by f where it is made and divided by f where it is read leaves the network's function as it is (Nagel et al.,
arXiv 1906.04721, 4.1; here over the whole residual stream, and with the strength chosen by the noise it predicts).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mnv2_engines.tflite.calibrate import Observation
from mnv2_engines.tflite.graph import Graph, Node, Tensor
from mnv2_engines.tflite.operator import Activation, Fusable, Weighted
from mnv2_engines.tflite.operators.arithmetic import Add
from mnv2_engines.tflite.operators.convolution import DepthwiseConv2D
from mnv2_engines.tflite.operators.joining import Pad
from mnv2_engines.tflite.operators.pooling import MaxPool2D, Mean
from mnv2_engines.tflite.operators.resizing import ResizeBilinear, ResizeNearest
from mnv2_engines.tflite.operators.shaping import Reshape
from mnv2_engines.tflite.ranges import STEPS

__all__ = ["equalise"]

Vector = npt.NDArray[np.float64]

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST = 64.0
"""Channels that are almost silent on the calibration pictures may speak on others: they are lifted no further than this."""


def equalise(graph: Graph, observations: Mapping[str, Observation]) -> dict[str, Vector]:
    """Rescale weights in place; return, by activation name, the factors of those that now differ from the float graph's."""
    factors: dict[str, Vector] = {}
    for group in _groups(graph):
        factor = _best_factor(group, observations)
        if np.all(factor == 1.0):
            continue
        for node in group.producers:
            _scale_outputs(node, factor)
        for node in group.readers:
            _unscale_inputs(node, factor)
        factors.update({tensor.name: factor for tensor in group.tensors})
    return factors


@dataclass(slots=True)
class _Group:
    """Hold activations whose channels must be scaled together."""

    tensors: list[Tensor] = field(default_factory=list)
    producers: list[Node] = field(default_factory=list)
    """Convolutions that make them."""
    readers: list[Node] = field(default_factory=list)
    """Convolutions that read them."""
    activations: set[Activation] = field(default_factory=set)
    fixed: bool = False
    """Something makes or reads them that cannot be rescaled."""


def _groups(graph: Graph) -> list[_Group]:
    consumers, producers = graph.consumers(), graph.producers()
    found: list[_Group] = []
    seen: set[Tensor] = set()
    for start in graph.activations():
        if start in seen:
            continue
        group, pending = _Group(), [start]
        while pending:
            tensor = pending.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            group.tensors.append(tensor)
            group.fixed |= tensor in graph.outputs or tensor in graph.inputs
            producer = producers.get(tensor)
            if producer is None:
                group.fixed = True
                continue
            if isinstance(producer.operator, Weighted):
                group.producers.append(producer)
            elif _keeps_channels(producer):
                pending.extend(producer.inputs[: 2 if isinstance(producer.operator, Add) else 1])
            else:
                group.fixed = True
            if isinstance(producer.operator, Fusable):
                group.activations.add(producer.operator.activation)
            for reader in consumers.get(tensor, []):
                if isinstance(reader.operator, Weighted):
                    group.readers.append(reader)
                elif _keeps_channels(reader):
                    pending.append(reader.output)
                else:
                    group.fixed = True
        # A clamp at 6 is not the same before and after scaling; lifting only channels that never reach it measured worse.
        group.fixed |= not group.activations <= {Activation.NONE, Activation.RELU}
        if not group.fixed:
            found.append(group)
    return found


def _keeps_channels(node: Node) -> bool:
    """Say whether a node treats all channels alike, so that a factor per channel passes through it."""
    operator = node.operator
    if isinstance(operator, Add):
        return all(tensor.data is None and tensor.shape == node.output.shape for tensor in node.inputs)
    if isinstance(operator, Reshape):
        return node.inputs[0].shape[-1:] == node.output.shape[-1:]
    if isinstance(operator, Mean):
        return len(node.output.shape) - 1 not in operator.axes
    if isinstance(operator, Pad):
        return operator.amounts[-1] == (0, 0)
    return isinstance(operator, (MaxPool2D, ResizeBilinear, ResizeNearest))


def _best_factor(group: _Group, observations: Mapping[str, Observation]) -> Vector:
    """Return the factors, all at least 1, of the strength that predicts the least noise behind the readers."""
    seen = [observations[tensor.name] for tensor in group.tensors]
    spans = np.max([np.maximum(np.abs(o.minimum), np.abs(o.maximum)) for o in seen], axis=0)
    largest = spans.max()
    if largest <= 0.0:
        return np.ones(len(spans))
    full = np.minimum(largest / np.maximum(spans, largest / _MOST), _MOST)
    candidates: list[Vector] = [full**strength for strength in _STRENGTHS]
    costs = [_noise(group, observations, factor) for factor in candidates]
    return candidates[int(np.argmin(costs))]


def _noise(group: _Group, observations: Mapping[str, Observation], factor: Vector) -> float:
    """Predict the power of the rounding noise behind each reader, relative to its signal, summed up."""
    total = 0.0
    for node in group.readers:
        data, weights = node.inputs[0], node.inputs[1].data
        if weights is None:
            continue
        seen = observations[data.name].scaled(factor)
        step = (max(float(seen.maximum.max()), 0.0) - min(float(seen.minimum.min()), 0.0)) / STEPS
        power = float(observations[node.output.name].power.mean()) + 1e-12
        if isinstance(node.operator, DepthwiseConv2D):
            scaled = weights[0].astype(np.float64) / np.repeat(factor, node.operator.multiplier)
            total += float((scaled**2).sum() * step**2 / 12 / scaled.shape[-1]) / power
            continue
        rows = weights.reshape(len(weights), -1, weights.shape[-1]).astype(np.float64) / np.resize(
            factor, weights.shape[-1]
        )
        coarseness = np.abs(rows).max(axis=(1, 2)) / 127
        rounding = rows.shape[1] * np.resize(seen.power, weights.shape[-1]).sum() * coarseness**2 / 12
        total += float(((rows**2).sum(axis=(1, 2)) * step**2 / 12 + rounding).mean()) / power
    return total


def _scale_outputs(node: Node, factor: Vector) -> None:
    operator, weights, bias = node.operator, node.inputs[1], node.inputs[2]
    if weights.data is None or bias.data is None or not isinstance(operator, Weighted):
        return
    shape = [1] * weights.data.ndim
    shape[operator.channel_axis] = -1
    node.inputs[1] = Tensor.constant(weights.name, (weights.data * factor.reshape(shape)).astype(np.float32))
    node.inputs[2] = Tensor.constant(bias.name, (bias.data * factor).astype(np.float32))


def _unscale_inputs(node: Node, factor: Vector) -> None:
    weights = node.inputs[1]
    if weights.data is None:
        return
    repeat = node.operator.multiplier if isinstance(node.operator, DepthwiseConv2D) else 1
    divisor = np.resize(np.repeat(factor, repeat), weights.data.shape[-1])
    node.inputs[1] = Tensor.constant(weights.name, (weights.data / divisor).astype(np.float32))
