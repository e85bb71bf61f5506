"""Keep every constant of an ONNX graph in one place, its initializers."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["drop_unused", "lift_constants"]


def lift_constants(lib: ModuleType, graph: onnx.GraphProto) -> None:
    """Make initializers of Constant nodes, and no inputs of initializers (as files older than 2019 list them)."""
    nodes = []
    for node in graph.node:
        tensor = _constant(lib, node) if node.op_type == "Constant" else None
        if tensor is None:
            copy = lib.NodeProto()
            copy.CopyFrom(node)
            nodes.append(copy)
        else:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(nodes)
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != len(graph.input):
        kept = lib.GraphProto()
        kept.input.extend(inputs)
        del graph.input[:]
        graph.input.extend(kept.input)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the initializers that nothing reads."""
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for index in range(len(graph.initializer) - 1, -1, -1):
        if graph.initializer[index].name not in used:
            del graph.initializer[index]


def _constant(lib: ModuleType, node: onnx.NodeProto) -> onnx.TensorProto | None:
    """Return what a Constant node holds; None for text and sparse tensors."""
    tensor: onnx.TensorProto = lib.TensorProto()
    for attribute in node.attribute:
        if attribute.name == "value":
            tensor.CopyFrom(attribute.t)
        elif attribute.name in {"value_float", "value_floats"}:
            reals = attribute.f if attribute.name == "value_float" else attribute.floats
            tensor.CopyFrom(lib.numpy_helper.from_array(np.array(reals, np.float32)))
        elif attribute.name in {"value_int", "value_ints"}:
            whole = attribute.i if attribute.name == "value_int" else attribute.ints
            tensor.CopyFrom(lib.numpy_helper.from_array(np.array(whole, np.int64)))
        else:
            continue
        return tensor
    return None
