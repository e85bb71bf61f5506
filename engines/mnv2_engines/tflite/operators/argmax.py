"""ArgMax: ARG_MAX."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import UnsupportedOperatorError
from mnv2_engines.tensors import DTypeName
from mnv2_engines.tflite.graph import Shape
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Operator, ScaleRule
from mnv2_engines.tflite.operators.shaping import reshape

__all__ = ["ArgMax"]


@dataclass(frozen=True, slots=True)
class ArgMax(Operator):
    """Index of the largest element along an axis, which disappears; input 1 holds the axis."""

    builtin: ClassVar[str] = "ARG_MAX"
    rule: ClassVar[ScaleRule] = ScaleRule.INDEX
    output_dtype: ClassVar[DTypeName] = "int32"
    axis: int

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Drop the axis."""
        return ((*shapes[0][: self.axis], *shapes[0][self.axis + 1 :]),)

    def options(self, schema: ModuleType) -> object:
        """Fill ArgMaxOptions."""
        table = schema.ArgMaxOptionsT()
        table.outputType = schema.TensorType.INT32
        return table


@lowers("ArgMax")
def lower_argmax(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower the first largest element; indices are int32, half of ONNX's int64 in memory."""
    view = lowering.view(node, 0)
    if node.integer("select_last_index", 0):
        raise UnsupportedOperatorError(f"{node}: select_last_index=1 does not compile")
    onnx_axis = node.integer("axis", 0) % max(1, view.rank)
    axis = view.axis(onnx_axis)
    tensor = lowering.emit(
        node, ArgMax(axis), [view.tensor, lowering.add_constant(f"{node.name}/axis", np.array(axis))]
    )
    rest = [k for k in view.order if k != onnx_axis]
    result = TensorView(tensor, tuple(sorted(rest).index(k) for k in rest))
    if node.integer("keepdims", 1):
        return reshape(
            node, lowering, result, tuple(1 if k == onnx_axis else size for k, size in enumerate(view.shape))
        )
    return result
