"""Scales that a quantised ONNX file (QAT, QDQ) gives to its activations."""

from mnv2_engines.tflite.graph import Graph, Scales, Tensor
from mnv2_engines.tflite.operators.quantization import Dequantize, Quantize

__all__ = ["take_given_scales"]


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
