"""Add, Sub, Mul and Div by a constant: ADD, SUB, MUL; MINIMUM and MAXIMUM for the bounds of a Clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.graph import Shape
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Fusable, Operator, ScaleRule
from mnv2_engines.tflite.operators.shaping import reshape

__all__ = ["Add", "Maximum", "Minimum", "Mul", "Sub", "combine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Binary(Fusable):
    """Function of two tensors, element by element, with numpy's broadcasting."""

    rule: ClassVar[ScaleRule] = ScaleRule.OWN

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Broadcast."""
        return (np.broadcast_shapes(*shapes),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(_Binary):
    """Sum of both inputs."""

    builtin: ClassVar[str] = "ADD"

    def options(self, schema: ModuleType) -> object:
        """Fill AddOptions."""
        table = schema.AddOptionsT()
        table.fusedActivationFunction = self.activation.value
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub(_Binary):
    """The first input minus the second."""

    builtin: ClassVar[str] = "SUB"

    def options(self, schema: ModuleType) -> object:
        """Fill SubOptions."""
        table = schema.SubOptionsT()
        table.fusedActivationFunction = self.activation.value
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul(_Binary):
    """Product of both inputs."""

    builtin: ClassVar[str] = "MUL"

    def options(self, schema: ModuleType) -> object:
        """Fill MulOptions."""
        table = schema.MulOptionsT()
        table.fusedActivationFunction = self.activation.value
        return table


@dataclass(frozen=True, slots=True)
class _Bound(Operator):
    """Bound by a scalar constant, the second input; only the float graph has it."""

    rule: ClassVar[ScaleRule] = ScaleRule.CLAMP
    value: float

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Keep the shape."""
        return (shapes[0],)

    def options(self, schema: ModuleType) -> object:
        """Fill MaximumMinimumOptions."""
        return schema.MaximumMinimumOptionsT()


@dataclass(frozen=True, slots=True)
class Minimum(_Bound):
    """Upper bound: the smaller one of each element and `value`."""

    builtin: ClassVar[str] = "MINIMUM"

    @property
    def bounds(self) -> tuple[float, float]:
        """Return everything up to the value."""
        return (float("-inf"), self.value)


@dataclass(frozen=True, slots=True)
class Maximum(_Bound):
    """Lower bound: the larger one of each element and `value`."""

    builtin: ClassVar[str] = "MAXIMUM"

    @property
    def bounds(self) -> tuple[float, float]:
        """Return everything from the value on."""
        return (self.value, float("inf"))


def combine(node: OnnxNode, lowering: Lowering, operator: Operator, left: TensorView, right: TensorView) -> TensorView:
    """Emit a binary operator over two views, in the order of axes that the larger activation has: it does not move."""
    rank = max(left.rank, right.rank)
    left, right = (_stretched(node, lowering, view, rank) for view in (left, right))
    activations = [view for view in (left, right) if view.tensor.data is None]
    order = max(activations, key=lambda view: view.tensor.size).order
    tensors = [lowering.arrange(node, view, order) for view in (left, right)]
    return TensorView(lowering.emit(node, operator, tensors), order)


@lowers("Add")
def lower_add(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower a sum of which at least one side depends on the picture."""
    return combine(node, lowering, Add(), lowering.view(node, 0), lowering.view(node, 1))


@lowers("Sub")
def lower_sub(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower a difference."""
    return combine(node, lowering, Sub(), lowering.view(node, 0), lowering.view(node, 1))


@lowers("Mul")
def lower_mul(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower a product."""
    return combine(node, lowering, Mul(), lowering.view(node, 0), lowering.view(node, 1))


@lowers("Div")
def lower_div(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower a division by a constant to a product; XNNPACK has no int8 division."""
    if not lowering.is_constant(node, 1):
        raise UnsupportedOperatorError(f"{node}: division by an activation does not compile, only by a constant")
    divisor: TensorArray = lowering.constant(node, 1).astype(np.float32)
    if not divisor.all():
        raise ModelError(f"{node}: division by zero")
    factor = TensorView.plain(lowering.add_constant(f"{node.name}/factor", np.float32(1) / divisor))
    return combine(node, lowering, Mul(), lowering.view(node, 0), factor)


def _stretched(node: OnnxNode, lowering: Lowering, view: TensorView, rank: int) -> TensorView:
    """Put axes of size 1 in front, as broadcasting would."""
    shape = (1,) * (rank - view.rank) + view.shape
    if view.tensor.data is None or view.rank == rank:
        return reshape(node, lowering, view, shape)
    return TensorView.plain(lowering.add_constant(view.tensor.name, view.tensor.data.reshape(shape)))
