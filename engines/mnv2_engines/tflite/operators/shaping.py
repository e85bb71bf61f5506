"""Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Identity, Dropout, Cast: RESHAPE, TRANSPOSE, or nothing at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tflite.graph import Shape
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Operator, ScaleRule

__all__ = ["Reshape", "Transpose"]

_FLOAT_TYPES = {1, 10, 11, 16}
"""TensorProto's float32, float16, float64, bfloat16: a Cast between them changes nothing here."""


@dataclass(frozen=True, slots=True)
class Reshape(Operator):
    """Another shape of the same memory; input 1 holds the shape as well, for the kernels."""

    builtin: ClassVar[str] = "RESHAPE"
    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    shape: Shape

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Return the new shape."""
        if prod(shapes[0]) != prod(self.shape):
            raise ValueError(
                f"shape {list(shapes[0])} cannot become {list(self.shape)}: it has {prod(shapes[0])} elements"
            )
        return (self.shape,)

    def options(self, schema: ModuleType) -> object:
        """Fill ReshapeOptions."""
        table = schema.ReshapeOptionsT()
        table.newShape = np.array(self.shape, np.int32)
        return table

    def version(self, *, quantised: bool) -> int:
        """Return the only version."""
        del quantised
        return 1


@dataclass(frozen=True, slots=True)
class Transpose(Operator):
    """Permutation: axis k of the output is axis ``order[k]`` of the input; input 1 holds the order."""

    builtin: ClassVar[str] = "TRANSPOSE"
    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    order: tuple[int, ...]

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Permute the shape."""
        return (tuple(shapes[0][axis] for axis in self.order),)

    def options(self, schema: ModuleType) -> object:
        """Fill TransposeOptions."""
        return schema.TransposeOptionsT()


def reshape(node: OnnxNode, lowering: Lowering, view: TensorView, shape: Shape) -> TensorView:
    """Return an ONNX value in another shape, reading it in ONNX's order; nothing is emitted when the shape stays."""
    if view.shape == shape:
        return view
    tensor = lowering.arrange(node, view, tuple(range(view.rank)))
    table = lowering.add_constant(f"{node.name}/shape", np.array(shape))
    return TensorView.plain(lowering.emit(node, Reshape(shape), [tensor, table]))


@lowers("Reshape")
def lower_reshape(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower with 0 (keep) and -1 (infer) resolved."""
    view = lowering.view(node, 0)
    wanted = lowering.integers(node, 1) if node.has_input(1) else node.integers("shape")
    keep_zero = node.integer("allowzero", 0) == 0
    sizes = [view.shape[k] if size == 0 and keep_zero and k < view.rank else size for k, size in enumerate(wanted)]
    if sizes.count(-1) == 1:
        known = prod(size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = prod(view.shape) // known if known > 0 else 0
    if min(sizes, default=1) < 1 or prod(sizes) != prod(view.shape):
        raise ModelError(f"{node}: shape {list(view.shape)} cannot become {list(wanted)}")
    return reshape(node, lowering, view, tuple(sizes))


@lowers("Flatten")
def lower_flatten(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to a matrix."""
    view = lowering.view(node, 0)
    axis = node.integer("axis", 1)
    if not -view.rank <= axis <= view.rank:
        raise ModelError(f"{node}: axis {axis} is out of range for shape {list(view.shape)}")
    axis = axis + view.rank if axis < 0 else axis
    return reshape(node, lowering, view, (prod(view.shape[:axis]), prod(view.shape[axis:])))


@lowers("Squeeze")
def lower_squeeze(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Drop axes of size 1."""
    view = lowering.view(node, 0)
    axes = _axes(node, lowering, view.rank)
    if axes is None:
        axes = tuple(k for k, size in enumerate(view.shape) if size == 1)
    if any(view.shape[axis] != 1 for axis in axes):
        raise ModelError(f"{node}: axes {list(axes)} of shape {list(view.shape)} are not all 1")
    return reshape(node, lowering, view, tuple(size for k, size in enumerate(view.shape) if k not in axes))


@lowers("Unsqueeze")
def lower_unsqueeze(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Insert axes of size 1."""
    view = lowering.view(node, 0)
    count = len(lowering.integers(node, 1) if node.has_input(1) else node.integers("axes"))
    axes = _axes(node, lowering, view.rank + count)
    if axes is None or len(set(axes)) != count:
        raise ModelError(f"{node}: axes are missing or named twice")
    sizes = iter(view.shape)
    return reshape(node, lowering, view, tuple(1 if k in axes else next(sizes) for k in range(view.rank + count)))


@lowers("Transpose")
def lower_transpose(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Only note the new order; an operator that needs another one moves the data."""
    view = lowering.view(node, 0)
    order = node.integers("perm", tuple(reversed(range(view.rank))), length=view.rank)
    if sorted(order) != list(range(view.rank)):
        raise ModelError(f"{node}: perm {list(order)} is not a permutation of {view.rank} axes")
    renamed = {old: new for new, old in enumerate(order)}
    return TensorView(view.tensor, tuple(renamed[axis] for axis in view.order))


@lowers("Identity", "Dropout")
def lower_identity(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Pass the value on: at inference a Dropout does nothing."""
    return lowering.view(node, 0)


@lowers("Cast")
def lower_cast(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Pass the value on between float types, and between integer types behind an ArgMax."""
    view = lowering.view(node, 0)
    if (node.integer("to") in _FLOAT_TYPES) != (view.tensor.dtype == "float32"):
        raise UnsupportedOperatorError(
            f"{node}: a cast of an activation from {view.tensor.dtype} to another kind of number does not compile"
        )
    return view


def _axes(node: OnnxNode, lowering: Lowering, rank: int) -> tuple[int, ...] | None:
    """Read axes from input 1 (opset 13) or the attribute; None when there are none."""
    if not node.has_input(1) and "axes" not in node.attributes:
        return None
    axes = lowering.integers(node, 1) if node.has_input(1) else node.integers("axes")
    if any(not -rank <= axis < rank for axis in axes):
        raise ModelError(f"{node}: axes {list(axes)} are out of range for {rank} axes")
    return tuple(axis % rank for axis in axes)
