"""Equal ranges for the channels of an activation, so that one int8 scale serves all of them.

A channel multiplied by f where it is made and divided by f where it is read leaves the network's function as it is
(Nagel et al., arXiv 1906.04721, 4.1; here over a whole residual stream, as strongly as predicts the least noise).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mnv2_engines.tflite.graph import Graph, Node, Tensor
from mnv2_engines.tflite.operator import Activation, Fusable, Weighted
from mnv2_engines.tflite.operators.arithmetic import Add
from mnv2_engines.tflite.operators.convolution import DepthwiseConv2D
from mnv2_engines.tflite.operators.joining import Pad
from mnv2_engines.tflite.operators.pooling import MaxPool2D, Mean
from mnv2_engines.tflite.operators.resizing import ResizeBilinear, ResizeNearest
from mnv2_engines.tflite.operators.shaping import Reshape
from mnv2_engines.tflite.quantiser.calibration import Moments, Observation
from mnv2_engines.tflite.quantiser.ranges import STEPS
from mnv2_engines.tflite.quantiser.weights import WEIGHT_LIMIT

__all__ = ["equalise"]

_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST = 64.0
"""A channel almost silent on the calibration pictures may speak on others: it is lifted no further than this."""
_POSITIVE_HOMOGENEOUS = {Activation.NONE, Activation.RELU}
"""A clamp at 6 is not the same before and after scaling; lifting only channels that stay below it measured worse."""


def equalise(graph: Graph, observations: Mapping[str, Observation]) -> dict[str, Moments]:
    """Rescale weights in place; return, by activation name, the factors of those that the float graph has without."""
    factors: dict[str, Moments] = {}
    for group in _groups(graph):
        factor = _best_factor(group, observations)
        if np.all(factor == 1.0):
            continue
        for node in group.makers:
            _scale_outputs(node, factor)
        for node in group.readers:
            _unscale_inputs(node, factor)
        factors.update({tensor.name: factor for tensor in group.tensors})
    return factors


@dataclass(slots=True)
class _Group:
    """Activations whose channels must be scaled together."""

    tensors: list[Tensor] = field(default_factory=list)
    makers: list[Node] = field(default_factory=list)
    """Layers that make them."""
    readers: list[Node] = field(default_factory=list)
    """Layers that read them."""
    fixed: bool = False
    """Something makes or reads them that cannot be rescaled."""

    def add_maker(self, node: Node) -> list[Tensor]:
        """Take in the node that makes a member; return what thereby belongs to the group."""
        if isinstance(node.operator, Fusable):
            self.fixed |= node.operator.activation not in _POSITIVE_HOMOGENEOUS
        if isinstance(node.operator, Weighted):
            self.makers.append(node)
            return []
        if _keeps_channels(node):
            return [tensor for tensor in node.inputs if tensor.data is None]
        self.fixed = True
        return []

    def add_reader(self, node: Node) -> list[Tensor]:
        """Take in a node that reads a member; return what thereby belongs to the group."""
        if isinstance(node.operator, Weighted):
            self.readers.append(node)
            return []
        if _keeps_channels(node):
            return [node.output]
        self.fixed = True
        return []


def _groups(graph: Graph) -> list[_Group]:
    consumers, producers = graph.consumers(), graph.producers()
    ends = {*graph.inputs, *graph.outputs}
    found: list[_Group] = []
    seen: set[Tensor] = set()
    for start in graph.activations():
        group, pending = _Group(), [start]
        while pending:
            tensor = pending.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            group.tensors.append(tensor)
            group.fixed |= tensor in ends
            if tensor in producers:
                pending.extend(group.add_maker(producers[tensor]))
            for reader in consumers.get(tensor, []):
                pending.extend(group.add_reader(reader))
        if group.tensors and not group.fixed:
            found.append(group)
    return found


def _keeps_channels(node: Node) -> bool:
    """Return whether a node treats all channels alike, so that a factor per channel passes through it."""
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


def _best_factor(group: _Group, observations: Mapping[str, Observation]) -> Moments:
    """Return the factors, all at least 1, of the strength that predicts the least noise behind the readers."""
    seen = [observations[tensor.name] for tensor in group.tensors]
    spans: Moments = np.max([np.maximum(np.abs(o.minimum), np.abs(o.maximum)) for o in seen], axis=0)
    largest = spans.max()
    if largest <= 0.0:
        return np.ones(len(spans))
    full = largest / np.maximum(spans, largest / _MOST)
    candidates: list[Moments] = [full**strength for strength in _STRENGTHS]
    costs = [sum(_noise(node, observations, factor) for node in group.readers) for factor in candidates]
    return candidates[int(np.argmin(costs))]


def _noise(reader: Node, observations: Mapping[str, Observation], factor: Moments) -> float:
    """Predict the power of the rounding noise behind a reader, relative to its signal."""
    data, weights = reader.inputs[0], reader.inputs[1].data
    if weights is None:
        return 0.0
    seen = observations[data.name].scaled(factor)
    step = (max(float(seen.maximum.max()), 0.0) - min(float(seen.minimum.min()), 0.0)) / STEPS
    signal = float(observations[reader.output.name].power.mean()) + 1e-12
    scaled = weights / _per_input(reader, factor)
    if isinstance(reader.operator, DepthwiseConv2D):  # its weights have a scale per channel: rounding stays as it is
        energy = float((scaled**2).sum()) / int(scaled.shape[-1])
        return energy * step**2 / 12 / signal
    rows = scaled.reshape(len(weights), -1)
    coarseness = np.abs(rows).max(axis=1) / WEIGHT_LIMIT
    inputs_power = float(seen.power.mean()) * rows.shape[1]
    noise: Moments = (rows**2).sum(axis=1) * step**2 + inputs_power * coarseness**2
    return float(noise.mean()) / 12 / signal


def _per_input(reader: Node, factor: Moments) -> Moments:
    """Spread factors over the last axis of the weights: channel multiples, and pixels of a flattened picture."""
    repeat = reader.operator.multiplier if isinstance(reader.operator, DepthwiseConv2D) else 1
    return np.resize(np.repeat(factor, repeat), reader.inputs[1].shape[-1])


def _scale_outputs(node: Node, factor: Moments) -> None:
    weights, bias = node.inputs[1], node.inputs[2]
    if weights.data is None or bias.data is None or not isinstance(node.operator, Weighted):
        return
    shape = [1] * weights.data.ndim
    shape[node.operator.channel_axis] = -1
    node.inputs[1] = Tensor.constant(weights.name, (weights.data * factor.reshape(shape)).astype(np.float32))
    node.inputs[2] = Tensor.constant(bias.name, (bias.data * factor).astype(np.float32))


def _unscale_inputs(node: Node, factor: Moments) -> None:
    weights = node.inputs[1]
    if weights.data is not None:
        node.inputs[1] = Tensor.constant(weights.name, (weights.data / _per_input(node, factor)).astype(np.float32))
