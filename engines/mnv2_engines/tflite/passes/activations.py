"""Fuse a rectifier into the operator in front of it."""

from dataclasses import replace

from mnv2_engines.tflite.graph import Graph
from mnv2_engines.tflite.operator import Activation, Fusable
from mnv2_engines.tflite.operators.activations import Rectifier

__all__ = ["fuse_activations"]


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
