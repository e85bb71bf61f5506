"""Give every int8 activation its scale: which ones must agree, which are fixed, and what the others cover."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.calibrate import Observation
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor
from mnv2_engines.tflite.operator import Rule
from mnv2_engines.tflite.ranges import activation_scales, search_range

__all__ = ["FIXED_SCALES", "assign_scales"]

FIXED_SCALES = Scales.of(1.0 / 256.0, -128)
"""What the int8 SOFTMAX and LOGISTIC kernels produce, whatever the file says."""


def assign_scales(
    graph: Graph,
    float_nodes: frozenset[Node],
    given: Mapping[Tensor, Scales],
    observations: Mapping[str, Observation],
    *,
    range_search: bool,
) -> dict[Tensor, Scales]:
    """Return the scales of every activation that an int8 node reads or makes.

    Fixed are those `given`, those of some operators, and those of clamps, which must saturate at their bounds. They spread to
    activations that share them; where two differ the rewriting puts a rescaling in between.
    """
    groups = _Groups(dict(given))
    producers = graph.producers()

    def observed(tensor: Tensor) -> tuple[float, float]:
        return _observed_range(tensor, producers.get(tensor), observations, range_search=range_search)

    for node in graph.nodes:
        if node.operator.rule in {Rule.FIXED, Rule.FLOAT}:
            groups.pins.setdefault(node.output, FIXED_SCALES)
        elif node.operator.rule is Rule.CLAMP:
            groups.pins.setdefault(node.output, activation_scales(*observed(node.output)))
    for node in graph.nodes:
        if node.operator.rule is Rule.SHARED and node not in float_nodes:
            activations = [tensor for tensor in node.inputs if tensor.data is None]
            for tensor in activations:
                # The fixed range of one input need not hold what the others bring.
                if len(activations) == 1 or not groups.is_pinned(tensor):
                    groups.join(tensor, node.output)
    members: dict[Tensor, list[Tensor]] = {}
    touched = [*graph.inputs, *(t for n in graph.nodes if n not in float_nodes for t in (*n.inputs, *n.outputs))]
    for tensor in dict.fromkeys(touched):
        if tensor.data is None and tensor.dtype == "float32":
            members.setdefault(groups.root(tensor), []).append(tensor)
    scales: dict[Tensor, Scales] = {}
    for root, tensors in members.items():
        chosen = groups.pins.get(root)
        if chosen is None:
            ranges = [observed(tensor) for tensor in tensors]
            chosen = activation_scales(min(low for low, _ in ranges), max(high for _, high in ranges))
        scales.update(dict.fromkeys(tensors, chosen))
    return scales


def _observed_range(
    tensor: Tensor, producer: Node | None, observations: Mapping[str, Observation], *, range_search: bool
) -> tuple[float, float]:
    observation = observations.get(tensor.name)
    if observation is None:
        raise ModelError(f"activation {tensor.name!r} was not observed while calibrating")
    low, high = float(observation.minimum.min()), float(observation.maximum.max())
    if range_search:
        low, high = search_range(low, high, observation.samples)
    if producer is not None:
        least, most = producer.operator.bounds
        low, high = max(low, least), min(high, most)
    return low, high


@dataclass(slots=True)
class _Groups:
    """Join tensors that must have equal scales (union-find)."""

    pins: dict[Tensor, Scales]
    """By root."""
    _parents: dict[Tensor, Tensor] = field(default_factory=dict)

    def root(self, tensor: Tensor) -> Tensor:
        while tensor in self._parents:
            tensor = self._parents[tensor]
        return tensor

    def is_pinned(self, tensor: Tensor) -> bool:
        return self.root(tensor) in self.pins

    def join(self, left: Tensor, right: Tensor) -> None:
        a, b = self.root(left), self.root(right)
        if a is b:
            return
        pin_a, pin_b = self.pins.get(a), self.pins.get(b)
        if pin_a is not None and pin_b is not None and not pin_a.matches(pin_b):
            return
        self._parents[b] = a
        if pin_a is None and pin_b is not None:
            self.pins[a] = pin_b
