"""Drop reshapes that another one undoes, and move data in front of a dense layer at build time, not at run time."""

import numpy as np

from mnv2_engines.tflite.graph import Graph, Node, Tensor
from mnv2_engines.tflite.operators.dense import FullyConnected
from mnv2_engines.tflite.operators.shaping import Reshape, Transpose

__all__ = ["merge_reshapes"]


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
