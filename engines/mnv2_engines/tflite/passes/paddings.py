"""Turn a PAD in front of a convolution into the convolution's own SAME."""

from dataclasses import replace

from mnv2_engines.tflite.graph import Graph
from mnv2_engines.tflite.operators.convolution import Conv2D, DepthwiseConv2D
from mnv2_engines.tflite.operators.joining import Pad
from mnv2_engines.tflite.padding import same_padding

__all__ = ["fuse_pads"]


def fuse_pads(graph: Graph) -> None:
    """Drop a PAD of height and width that pads just as SAME would; other readers keep it."""
    producers = graph.producers()
    for node in graph.nodes:
        operator = node.operator
        pad = producers.get(node.inputs[0])
        if (
            not isinstance(operator, (Conv2D, DepthwiseConv2D))
            or operator.same
            or pad is None
            or not isinstance(pad.operator, Pad)
        ):
            continue
        source, weights = pad.inputs[0], node.inputs[1]
        wanted = [(0, 0), (0, 0), (0, 0), (0, 0)]
        fits = True
        for axis in (0, 1):
            extent = (weights.shape[1 + axis] - 1) * operator.dilation[axis] + 1
            size, stride = source.shape[1 + axis], operator.stride[axis]
            wanted[1 + axis] = same_padding(size, extent, stride)
            fits &= node.output.shape[1 + axis] == -(-size // stride)
        if fits and pad.operator.amounts == tuple(wanted):
            node.operator = replace(operator, same=True)
            node.inputs[0] = source
