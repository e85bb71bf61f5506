"""The part behind the last int8 layer that is better computed in float32."""

from mnv2_engines.tflite.graph import Graph, Node, Tensor
from mnv2_engines.tflite.operator import ScaleRule
from mnv2_engines.tflite.operators.joining import Concatenation

__all__ = ["answers", "float_tail"]


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
