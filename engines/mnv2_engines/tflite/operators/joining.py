"""Concat, Split, Slice and Pad: CONCATENATION, SLICE and PAD."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tflite.graph import Shape, Tensor
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.importer.slicing import read_slice, split_sizes
from mnv2_engines.tflite.operator import Operator, ScaleRule
from mnv2_engines.tflite.padding import Pads

__all__ = ["Concatenation", "Pad", "Slice", "emit_concatenation", "emit_slice", "pad_picture"]

MAX_CONCATENATED = 4
"""XNNPACK takes no CONCATENATION of more inputs (measured with LiteRT 2.3); longer ones are nested."""


@dataclass(frozen=True, slots=True)
class Concatenation(Operator):
    """Tensors joined along an axis."""

    builtin: ClassVar[str] = "CONCATENATION"
    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    axis: int

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Add up the sizes along the axis."""
        first = shapes[0]
        rest = {(*shape[: self.axis], *shape[self.axis + 1 :]) for shape in shapes}
        if len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
            raise ValueError(f"shapes {[list(shape) for shape in shapes]} cannot be joined along axis {self.axis}")
        return ((*first[: self.axis], sum(shape[self.axis] for shape in shapes), *first[self.axis + 1 :]),)

    def options(self, schema: ModuleType) -> object:
        """Fill ConcatenationOptions."""
        table = schema.ConcatenationOptionsT()
        table.axis = self.axis
        return table


@dataclass(frozen=True, slots=True)
class Slice(Operator):
    """Block of a tensor; inputs 1 and 2 hold begin and size."""

    builtin: ClassVar[str] = "SLICE"
    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    begin: Shape
    size: Shape

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Return the block's size."""
        if any(b < 0 or s < 1 or b + s > n for b, s, n in zip(self.begin, self.size, shapes[0], strict=True)):
            raise ValueError(f"block {list(self.size)} at {list(self.begin)} lies outside shape {list(shapes[0])}")
        return (self.size,)

    def options(self, schema: ModuleType) -> object:
        """Fill SliceOptions."""
        return schema.SliceOptionsT()


@dataclass(frozen=True, slots=True)
class Pad(Operator):
    """Zeros around a tensor; input 1 holds the amounts."""

    builtin: ClassVar[str] = "PAD"
    rule: ClassVar[ScaleRule] = ScaleRule.SHARED
    amounts: tuple[tuple[int, int], ...]

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Add the amounts."""
        return (tuple(size + front + behind for size, (front, behind) in zip(shapes[0], self.amounts, strict=True)),)

    def options(self, schema: ModuleType) -> object:
        """Fill PadOptions."""
        return schema.PadOptionsT()


def pad_picture(node: OnnxNode, lowering: Lowering, picture: Tensor, pads: Pads) -> Tensor:
    """Put zeros around an NHWC tensor."""
    return emit_pad(node, lowering, picture, ((0, 0), *pads, (0, 0)))


def emit_pad(node: OnnxNode, lowering: Lowering, tensor: Tensor, amounts: tuple[tuple[int, int], ...]) -> Tensor:
    """Put zeros around a tensor, `amounts` in the order of its axes."""
    table = lowering.add_constant(f"{node.name}/pads", np.array(amounts))
    return lowering.emit(node, Pad(amounts), [tensor, table])


def emit_slice(node: OnnxNode, lowering: Lowering, tensor: Tensor, begin: Shape, size: Shape) -> Tensor:
    """Cut a block out of a tensor, `begin` and `size` in the order of its axes."""
    tables = [
        lowering.add_constant(f"{node.name}/{what}", np.array(values))
        for what, values in (("begin", begin), ("size", size))
    ]
    return lowering.emit(node, Slice(begin, size), [tensor, *tables])


def emit_concatenation(node: OnnxNode, lowering: Lowering, tensors: list[Tensor], axis: int) -> Tensor:
    """Join tensors along an axis of theirs, in a tree of CONCATENATIONs that are small enough for XNNPACK."""
    while len(tensors) > 1:
        groups = [tensors[start : start + MAX_CONCATENATED] for start in range(0, len(tensors), MAX_CONCATENATED)]
        tensors = [lowering.emit(node, Concatenation(axis), group) if len(group) > 1 else group[0] for group in groups]
    return tensors[0]


@lowers("Concat")
def lower_concat(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to CONCATENATION."""
    views = [lowering.view(node, index) for index in range(len(node.inputs))]
    order = next((view.order for view in views if view.tensor.data is None), views[0].order)
    if any(view.rank != len(order) for view in views):
        raise ModelError(
            f"{node}: inputs have shapes {[list(view.shape) for view in views]}, expected the same number of axes"
        )
    axis = TensorView(views[0].tensor, order).axis(node.integer("axis"))
    return TensorView(
        emit_concatenation(node, lowering, [lowering.arrange(node, view, order) for view in views], axis), order
    )


@lowers("Split")
def lower_split(node: OnnxNode, lowering: Lowering) -> tuple[TensorView, ...]:
    """Lower to a SLICE per part: XNNPACK takes those whatever the number and sizes of the parts."""
    view = lowering.view(node, 0)
    axis = view.axis(node.integer("axis", 0))
    parts: list[TensorView] = []
    start = 0
    for size in split_sizes(node, lowering, view.tensor.shape[axis]):
        begin = tuple(start if k == axis else 0 for k in range(view.rank))
        block = tuple(size if k == axis else n for k, n in enumerate(view.tensor.shape))
        parts.append(TensorView(emit_slice(node, lowering, view.tensor, begin, block), view.order))
        start += size
    return tuple(parts)


@lowers("Slice")
def lower_slice(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower a block with step 1."""
    view = lowering.view(node, 0)
    begin, size = [0] * view.rank, list(view.tensor.shape)
    for part in read_slice(node, lowering, view.shape):
        if part.step != 1:
            raise UnsupportedOperatorError(f"{node}: step {part.step} on an activation; only step 1 compiles")
        axis = view.axis(part.axis)
        begin[axis], size[axis] = part.start, max(0, part.stop - part.start)
    return TensorView(emit_slice(node, lowering, view.tensor, tuple(begin), tuple(size)), view.order)


@lowers("Pad")
def lower_pad(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower padding with zeros; negative amounts, other values and modes are refused."""
    view = lowering.view(node, 0)
    mode = node.text("mode", "constant")
    pads = lowering.integers(node, 1) if node.has_input(1) else node.integers("pads")
    value = float(lowering.constant(node, 2).reshape(-1)[0]) if node.has_input(2) else node.real("value", 0.0)
    axes = lowering.integers(node, 3) if node.has_input(3) else tuple(range(view.rank))
    if len(pads) != 2 * len(axes):
        raise ModelError(f"{node}: {len(pads)} pads for {len(axes)} axes, expected two each")
    if mode != "constant" or value != 0.0 or min(pads, default=0) < 0:
        raise UnsupportedOperatorError(
            f"{node}: mode {mode}, value {value}, pads {list(pads)}; only zeros, and none taken away, compile"
        )
    amounts = [(0, 0)] * view.rank
    for k, axis in enumerate(axes):
        amounts[view.axis(axis)] = (pads[k], pads[k + len(axes)])
    return TensorView(emit_pad(node, lowering, view.tensor, tuple(amounts)), view.order)
