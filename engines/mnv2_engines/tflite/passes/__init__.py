"""Rewrite the float graph into an equal one with fewer operators."""

from mnv2_engines.tflite.graph import Graph
from mnv2_engines.tflite.passes.activations import fuse_activations
from mnv2_engines.tflite.passes.affine import fold_affine
from mnv2_engines.tflite.passes.paddings import fuse_pads
from mnv2_engines.tflite.passes.reshapes import merge_reshapes

__all__ = ["simplify"]


def simplify(graph: Graph) -> None:
    """Apply every rewrite, in place; each keeps the network's function, to float rounding."""
    merge_reshapes(graph)
    fuse_pads(graph)
    fold_affine(graph)
    fuse_activations(graph)
    graph.remove_dead_nodes()
