"""One walk over an ONNX graph: constants are computed, the rest is lowered to a graph of TFLite operators."""

from dataclasses import dataclass
from math import prod

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensors import Layout, TensorArray, TensorSpec
from mnv2_engines.tflite import operators  # noqa: F401 - importing them fills LOWERINGS
from mnv2_engines.tflite.graph import Graph, Scales, Tensor
from mnv2_engines.tflite.importer.folding import FOLDERS, Constants, fold
from mnv2_engines.tflite.importer.lowering import LOWERINGS, NHWC, Lowering, TensorView
from mnv2_engines.tflite.importer.onnx_model import OnnxModel, OnnxNode, OnnxValue

__all__ = ["Translation", "translate"]

_COLORS = 3


@dataclass(frozen=True, slots=True)
class Translation:
    """The float graph, and its input and outputs as ONNX describes them."""

    graph: Graph
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]


def translate(model: OnnxModel) -> Translation:
    """Lower a whole model.

    The model's constants are used up. Raises ModelError, or UnsupportedOperatorError naming operator and node.
    """
    lowering = Lowering(model.opset)
    lowering.constants = model.constants
    spec = _add_input(lowering, model)
    for node in model.nodes:
        _translate_node(node, lowering)
    outputs = tuple(_add_output(value, lowering) for value in model.outputs)
    if len(set(lowering.graph.outputs)) != len(outputs) or not outputs:
        raise ModelError("the network has no outputs, or names one twice: export it again")
    lowering.graph.remove_dead_nodes()
    return Translation(lowering.graph, spec, outputs)


def _translate_node(node: OnnxNode, lowering: Lowering) -> None:
    names = [name for name in node.inputs if name]
    try:
        if node.op_type in FOLDERS and all(name in lowering.constants for name in names):
            _fold(node, lowering)
        elif node.op_type in {"Shape", "Size"}:
            _bind_constants(node, lowering, (_shape_of(node, lowering),))
        elif node.op_type in LOWERINGS:
            _lower(node, lowering)
        else:
            raise UnsupportedOperatorError(
                f"operator {node.op_type} of node {node.name!r} does not compile; "
                f"these do: {', '.join(sorted(LOWERINGS))}"
            )
    except ModelError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as exc:
        # Attributes that contradict the shapes: the file is at fault, whichever check noticed it.
        raise ModelError(f"{node}: {exc}") from exc


def _fold(node: OnnxNode, lowering: Lowering) -> None:
    arrays = [lowering.constants[name] if name else None for name in node.inputs]
    _bind_constants(node, lowering, fold(node, Constants(node, arrays)))
    if node.op_type == "DequantizeLinear":
        scale, zero_point = arrays[1], arrays[2] if len(arrays) > 2 else None
        symmetric = (
            arrays[0] is not None and arrays[0].dtype == np.int8 and (zero_point is None or not zero_point.any())
        )
        if scale is not None and symmetric:
            axis = node.integer("axis", 1) % max(1, arrays[0].ndim if arrays[0] is not None else 1)
            lowering.kept_scales[node.outputs[0]] = Scales(scale.astype(np.float32).reshape(-1), 0, axis)


def _shape_of(node: OnnxNode, lowering: Lowering) -> TensorArray:
    shape = lowering.view(node, 0).shape
    if node.op_type == "Size":
        return np.array(prod(shape), np.int64)
    return np.array(shape[slice(node.integer("start", 0), node.integer("end", len(shape)))], np.int64)


def _bind_constants(node: OnnxNode, lowering: Lowering, arrays: tuple[TensorArray, ...]) -> None:
    for name, array in zip(node.outputs, arrays, strict=False):
        if name in lowering.constants or name in lowering.views:
            raise ModelError(f"value {name!r} is computed twice: the file is damaged")
        lowering.constants[name] = array


def _lower(node: OnnxNode, lowering: Lowering) -> None:
    known = len(lowering.graph.nodes)
    result = LOWERINGS[node.op_type](node, lowering)
    made = {tensor for new in lowering.graph.nodes[known:] for tensor in new.outputs}
    views = result if isinstance(result, tuple) else (result,)
    for name, view in zip(node.outputs, views, strict=False):
        lowering.bind(name, view, rename=view.tensor in made)


def _add_input(lowering: Lowering, model: OnnxModel) -> TensorSpec:
    if len(model.inputs) != 1:
        names = ", ".join(repr(value.name) for value in model.inputs)
        raise ModelError(f"the network has {len(model.inputs)} inputs ({names}): expected one picture")
    value = model.inputs[0]
    shape = _static(value)
    if value.dtype != "float32" or len(shape) != 4 or shape[0] != 1:
        raise ModelError(
            f"input {value.name!r} is {value.dtype} {list(shape)}: expected float32, one picture of fixed size"
        )
    layout: Layout = "NHWC" if shape[1] != _COLORS and shape[3] == _COLORS else "NCHW"
    channels = shape[3] if layout == "NHWC" else shape[1]
    if channels != _COLORS:
        raise ModelError(
            f"input {value.name!r} of shape {list(shape)} has {channels} channels: expected the 3 of a colour picture"
        )
    order = NHWC if layout == "NCHW" else (0, 1, 2, 3)
    tensor = Tensor(value.name, tuple(shape[axis] for axis in order))
    lowering.add_input(value.name, TensorView(tensor, order))
    return TensorSpec(value.name, shape, "float32", layout)


def _static(value: OnnxValue) -> tuple[int, ...]:
    """Make a free batch 1; ModelError when another size is free."""
    shape = tuple(1 if axis == 0 and size is None else size for axis, size in enumerate(value.shape))
    if None in shape:
        raise ModelError(
            f"input {value.name!r} has the free size {list(value.shape)}: export with a fixed height and width"
        )
    return tuple(size for size in shape if size is not None)


def _add_output(value: OnnxValue, lowering: Lowering) -> TensorSpec:
    """Append an output in ONNX's layout: the TRANSPOSE this may need runs inside the delegate."""
    if value.name not in lowering.views:
        raise ModelError(f"output {value.name!r} does not depend on the picture, or no node computes it")
    node = OnnxNode(f"output {value.name}", "Identity", (value.name,), (value.name,), {})
    view = lowering.views[value.name]
    tensor = lowering.plain(node)
    if tensor in lowering.graph.inputs:
        raise ModelError(f"output {value.name!r} is the picture itself: the network does nothing")
    lowering.name_output(tensor, value.name)
    lowering.graph.outputs.append(tensor)
    return TensorSpec(value.name, tensor.shape, tensor.dtype, _layout(view))


def _layout(view: TensorView) -> Layout:
    """Return the layout of an output that still is a picture, `flat` for vectors and lists of boxes."""
    if view.rank == 4 and view.order == NHWC and min(view.shape[2:]) > 1:
        return "NCHW"
    if view.rank == 4 and view.order == (0, 1, 2, 3) and min(view.shape[1:3]) > 1:
        return "NHWC"
    return "flat"
