"""The scale of every int8 activation: which ones must agree, which are fixed, and what the others cover."""

from collections.abc import Mapping

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.graph import Graph, Node, Scales, Tensor
from mnv2_engines.tflite.operator import ScaleRule
from mnv2_engines.tflite.operators.joining import Concatenation
from mnv2_engines.tflite.operators.quantization import Dequantize, Quantize
from mnv2_engines.tflite.quantiser.calibration import Observation
from mnv2_engines.tflite.quantiser.ranges import activation_scales, search_range
from mnv2_engines.tflite.quantiser.scale_groups import ScaleGroups
from mnv2_engines.tflite.quantiser.xnnpack_limits import widen

__all__ = ["FIXED_SCALES", "answers", "assign_scales", "float_tail", "take_given_scales"]


def take_given_scales(graph: Graph) -> dict[Tensor, Scales]:
    """Drop the QUANTIZE and DEQUANTIZE that the file brought, in place; return the scales that they gave.

    An activation quantised twice with different scales keeps the second QUANTIZE, as a rescaling.
    """
    given: dict[Tensor, Scales] = {}
    for node in list(graph.nodes):
        source, result = node.inputs[0], node.outputs[0]
        if isinstance(node.operator, Quantize) and result.scales is not None:
            if given.setdefault(source, result.scales).matches(result.scales):
                graph.replace(result, source)
                graph.nodes.remove(node)
        elif isinstance(node.operator, Dequantize):
            if result in graph.outputs and source.dtype == "float32":
                _rename(graph, source, result)  # an output keeps its name
                given[result] = given.pop(source)
            else:
                graph.replace(result, source)
            graph.nodes.remove(node)
    return given


def _rename(graph: Graph, old: Tensor, new: Tensor) -> None:
    graph.replace(old, new)
    for node in graph.nodes:
        node.outputs = [new if tensor is old else tensor for tensor in node.outputs]


def float_tail(graph: Graph) -> frozenset[Node]:
    """Return the sigmoids, softmaxes, joins and reshapes at the very end.

    They are cheap there, and int8 would cost: probabilities in steps of 1/256 tie, and joining the heads of a detector
    would force the scale of the widest on all of them. XNNPACK takes the DEQUANTIZE and what follows in one delegate.
    """
    consumers = graph.consumers()
    movable: set[Node] = set()
    for node in reversed(graph.nodes):
        readers = [reader for tensor in node.outputs for reader in consumers.get(tensor, [])]
        if node.operator.rule in {ScaleRule.SHARED, ScaleRule.FIXED, ScaleRule.FLOAT} and movable.issuperset(readers):
            movable.add(node)
    tail: set[Node] = set()
    computed: set[Tensor] = set()
    for node in graph.nodes:
        starts = node.operator.rule in {ScaleRule.FIXED, ScaleRule.FLOAT} or isinstance(node.operator, Concatenation)
        if node in movable and (starts or computed.intersection(node.inputs)):
            tail.add(node)
            computed.update(node.outputs)
    return frozenset(tail)


def answers(graph: Graph, float_nodes: frozenset[Node]) -> tuple[Tensor, ...]:
    """Return what the int8 layers hand over: outputs, and what the float tail or an ArgMax reads."""
    last = {node: None for node in graph.nodes if node in float_nodes or node.operator.rule is ScaleRule.INDEX}
    handed = [*graph.outputs, *(tensor for node in last for tensor in node.inputs)]
    made_last = {tensor for node in last for tensor in node.outputs}
    return tuple(t for t in dict.fromkeys(handed) if t.data is None and t not in made_last)


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
