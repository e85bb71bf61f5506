"""All constants of an ONNX graph in one place, its initializers."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["drop_unused", "lift_constants"]

_MOVES: Final = frozenset({"Identity", "Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""They give the numbers that they take, in another shape."""


def lift_constants(lib: ModuleType, model: onnx.ModelProto) -> None:
    """Make initializers of Constant nodes and of weights in other shapes.

    Exporters share equal weights through Identity; code that reads a weight's numbers has to find them. Initializers
    are inputs no more (as files older than 2019 list them).
    """
    graph = model.graph
    nodes = []
    weights = {tensor.name: tensor for tensor in graph.initializer}
    ends = {value.name for value in graph.output}
    for node in graph.node:
        tensor = None
        if node.op_type == "Constant":
            tensor = _constant(lib, node)
        elif node.op_type in _MOVES and node.output[0] not in ends and all(name in weights for name in node.input):
            tensor = _moved(lib, model, node, weights)
        if tensor is None:
            copy = lib.NodeProto()
            copy.CopyFrom(node)
            nodes.append(copy)
        else:
            tensor.name = node.output[0]
            weights[tensor.name] = tensor
            graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(nodes)
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


def _moved(
    lib: ModuleType, model: onnx.ModelProto, node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]
) -> onnx.TensorProto | None:
    """Return a weight in the shape that a node gives it; None where ONNX' own evaluator cannot, for whatever reason."""
    from onnx.reference import ReferenceEvaluator

    values = {name: lib.numpy_helper.to_array(weights[name]) for name in node.input}
    make = lib.helper
    inputs = [make.make_tensor_value_info(name, weights[name].data_type, weights[name].dims) for name in node.input]
    graph = make.make_graph([node], "one", inputs, [make.make_empty_tensor_value_info(node.output[0])])
    alone = make.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        (moved,) = ReferenceEvaluator(alone).run(None, values)
    except (ValueError, TypeError, RuntimeError, IndexError):
        return None
    tensor: onnx.TensorProto = lib.numpy_helper.from_array(np.ascontiguousarray(moved), node.output[0])
    return tensor


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
