"""The scale of every int8 activation: which ones must agree, which are fixed, and what the others cover."""

from collections.abc import Mapping

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor
from mnv2_engines.tflite.operator import ScaleRule
from mnv2_engines.tflite.quantiser.calibration import Observation
from mnv2_engines.tflite.quantiser.float_tail import answers
from mnv2_engines.tflite.quantiser.ranges import activation_scales, search_range
from mnv2_engines.tflite.quantiser.scale_groups import ScaleGroups
from mnv2_engines.tflite.quantiser.xnnpack_limits import widen

__all__ = ["FIXED_SCALES", "assign_scales"]

FIXED_SCALES = Scales.of(1.0 / 256.0, -128)
"""What the int8 SOFTMAX and LOGISTIC kernels produce, whatever the file says."""

OUTPUT_HEADROOM = 1.125
"""What the network answers is not clipped, and may be larger than any answer to a calibration picture."""


def assign_scales(
    graph: Graph,
    float_nodes: frozenset[Node],
    given: Mapping[Tensor, Scales],
    observations: Mapping[str, Observation],
    *,
    range_search: bool,
) -> dict[Tensor, Scales]:
    """Return the scales of every activation that an int8 node reads or makes.

    Fixed are those `given`, those of some operators, and those of clamps, which must saturate at their bounds. They
    spread to activations that share them; where two differ the rewriting puts a rescaling in between.
    """
    producers = graph.producers()

    integer_nodes = [node for node in graph.nodes if node not in float_nodes]
    last = set(answers(graph, float_nodes))

    def observed(tensor: Tensor) -> tuple[float, float]:
        low, high = _observed_range(tensor, observations, range_search=range_search and tensor not in last)
        if tensor in last:
            low, high = low * OUTPUT_HEADROOM, high * OUTPUT_HEADROOM
        least, most = producers[tensor].operator.bounds if tensor in producers else (low, high)
        return max(low, least), min(high, most)

    groups = ScaleGroups(given)
    for node in graph.nodes:
        if node.operator.rule in {ScaleRule.FIXED, ScaleRule.FLOAT}:
            groups.pin(node.output, FIXED_SCALES)
    fixed = {tensor for node in graph.nodes for tensor in node.outputs if groups.pinned(tensor)} | set(given)
    for node in integer_nodes:
        if node.operator.rule is ScaleRule.CLAMP:
            groups.pin(node.output, activation_scales(*observed(node.output)))
    for node in integer_nodes:
        if node.operator.rule is ScaleRule.SHARED:
            _share(node, groups)
    touched = (*graph.inputs, *(tensor for node in integer_nodes for tensor in (*node.inputs, *node.outputs)))
    activations = [tensor for tensor in dict.fromkeys(touched) if tensor.data is None and tensor.dtype == "float32"]
    members = groups.members(activations)
    scales: dict[Tensor, Scales] = {}
    for root, tensors in members.items():
        lows, highs = zip(*(observed(tensor) for tensor in tensors), strict=True)
        scales[root] = groups.pinned(root) or activation_scales(min(lows), max(highs))
    widen(integer_nodes, groups, scales, frozenset(groups.root(tensor) for tensor in fixed))
    return {tensor: scales[root] for root, tensors in members.items() for tensor in tensors}


def _share(node: Node, groups: ScaleGroups) -> None:
    activations = [tensor for tensor in node.inputs if tensor.data is None]
    for tensor in activations:
        # A join with several inputs must hold what each of them brings, not only the range of the one that is fixed.
        if len(activations) == 1 or groups.pinned(tensor) is None:
            groups.join(tensor, node.output)


def _observed_range(
    tensor: Tensor, observations: Mapping[str, Observation], *, range_search: bool
) -> tuple[float, float]:
    observation = observations.get(tensor.name)
    if observation is None:
        raise ModelError(f"activation {tensor.name!r} was not observed while calibrating")
    low, high = float(observation.minimum.min()), float(observation.maximum.max())
    return search_range(low, high, observation.samples) if range_search else (low, high)
