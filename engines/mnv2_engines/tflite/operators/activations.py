"""Rectifiers, Clip, HardSwish, HardSigmoid, Sigmoid, Softmax: RELU and its relatives, LEAKY_RELU, LOGISTIC, SOFTMAX."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import ModuleType
from typing import ClassVar

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.graph import Shape
from mnv2_engines.tflite.importer.lowering import Lowering, TensorView, lowers
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Activation, Operator, ScaleRule
from mnv2_engines.tflite.operators.arithmetic import Add, Maximum, Minimum, Mul, combine
from mnv2_engines.tflite.operators.shaping import reshape

__all__ = ["LeakyRelu", "Logistic", "Rectifier", "Relu", "Relu6", "ReluN1To1", "Softmax"]

_INFINITY = float("inf")
_BEYOND = 1e30
"""Exporters write "no bound" as the largest float32 or float16 as well as infinity."""
_LEAST_SLOPE = 2.0**-7
"""XNNPACK's LEAKY_RELU takes slope * input scale / output scale from 2**-8 on."""


@dataclass(frozen=True, slots=True)
class _Elementwise(Operator):
    """Function of each element by itself."""

    def output_shapes(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """Keep the shape."""
        return (shapes[0],)


@dataclass(frozen=True, slots=True)
class Rectifier(_Elementwise):
    """Clamp to the bounds of `activation`; fused into the operator in front wherever that is possible."""

    rule: ClassVar[ScaleRule] = ScaleRule.CLAMP
    activation: ClassVar[Activation]

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the activation's."""
        return self.activation.bounds


@dataclass(frozen=True, slots=True)
class Relu(Rectifier):
    """Clamp to 0 and above."""

    builtin: ClassVar[str] = "RELU"
    activation: ClassVar[Activation] = Activation.RELU


@dataclass(frozen=True, slots=True)
class Relu6(Rectifier):
    """Clamp to 0 to 6."""

    builtin: ClassVar[str] = "RELU6"
    activation: ClassVar[Activation] = Activation.RELU6


@dataclass(frozen=True, slots=True)
class ReluN1To1(Rectifier):
    """Clamp to -1 to 1."""

    builtin: ClassVar[str] = "RELU_N1_TO_1"
    activation: ClassVar[Activation] = Activation.RELU_N1_TO_1


@dataclass(frozen=True, slots=True)
class Logistic(_Elementwise):
    """The logistic function, from 0 to 1."""

    builtin: ClassVar[str] = "LOGISTIC"
    rule: ClassVar[ScaleRule] = ScaleRule.FIXED


@dataclass(frozen=True, slots=True)
class LeakyRelu(_Elementwise):
    """Product of each negative element and `slope`."""

    builtin: ClassVar[str] = "LEAKY_RELU"
    rule: ClassVar[ScaleRule] = ScaleRule.OWN
    slope: float

    def options(self, schema: ModuleType) -> object:
        """Fill LeakyReluOptions."""
        table = schema.LeakyReluOptionsT()
        table.alpha = self.slope
        return table


@dataclass(frozen=True, slots=True)
class Softmax(_Elementwise):
    """Probabilities along the last axis."""

    builtin: ClassVar[str] = "SOFTMAX"
    rule: ClassVar[ScaleRule] = ScaleRule.FLOAT

    def options(self, schema: ModuleType) -> object:
        """Fill SoftmaxOptions."""
        table = schema.SoftmaxOptionsT()
        table.beta = 1.0
        return table


_RECTIFIERS: dict[tuple[float, float], Rectifier] = {
    rectifier.activation.bounds: rectifier for rectifier in (Relu(), Relu6(), ReluN1To1())
}


@lowers("Relu")
def lower_relu(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to RELU."""
    return clamp(node, lowering, lowering.view(node, 0), 0.0, _INFINITY)


@lowers("LeakyRelu")
def lower_leaky_relu(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to LEAKY_RELU, and slopes that XNNPACK does not take to ``slope * x + (1 - slope) * max(x, 0)``."""
    view, slope = lowering.view(node, 0), node.real("alpha", 0.01)
    if _LEAST_SLOPE <= slope <= 1.0:
        return TensorView(lowering.emit(node, LeakyRelu(slope), [view.tensor]), view.order)
    positive = _scaled(node, lowering, clamp(node, lowering, view, 0.0, _INFINITY), 1.0 - slope)
    return combine(node, lowering, Add(), positive, _scaled(node, lowering, view, slope))


@lowers("Clip")
def lower_clip(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to the rectifier with these bounds, else to MAXIMUM and MINIMUM; bounds are inputs since opset 11."""
    low, high = (
        _bound(node, lowering, index, key, default)
        for index, key, default in ((1, "min", -_INFINITY), (2, "max", _INFINITY))
    )
    if not low <= high:
        raise ModelError(f"{node}: clips to {low} to {high}, expected the smaller bound first")
    return clamp(node, lowering, lowering.view(node, 0), low, high)


@lowers("HardSigmoid")
def lower_hard_sigmoid(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to a multiplication, an addition and a clamp."""
    scaled = _affine(node, lowering, lowering.view(node, 0), node.real("alpha", 0.2), node.real("beta", 0.5))
    return clamp(node, lowering, scaled, 0.0, 1.0)


@lowers("HardSwish")
def lower_hard_swish(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower ``x * clamp(x / 6 + 1 / 2, 0, 1)`` to just that: XNNPACK takes HARD_SWISH in float only."""
    view = lowering.view(node, 0)
    gate = clamp(node, lowering, _affine(node, lowering, view, 1.0, 3.0), 0.0, 6.0)
    return _scaled(node, lowering, combine(node, lowering, Mul(), view, gate), 1.0 / 6.0)


@lowers("Sigmoid")
def lower_sigmoid(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower to LOGISTIC."""
    view = lowering.view(node, 0)
    return TensorView(lowering.emit(node, Logistic(), [view.tensor]), view.order)


@lowers("Softmax")
def lower_softmax(node: OnnxNode, lowering: Lowering) -> TensorView:
    """Lower with the axis brought to the end; before opset 13 all axes from there on are one."""
    view = lowering.view(node, 0)
    axis = node.integer("axis", -1 if lowering.opset >= 13 else 1)
    if not -view.rank <= axis < view.rank:
        raise ModelError(f"{node}: axis {axis} is out of range for shape {list(view.shape)}")
    axis %= view.rank
    if lowering.opset < 13 and prod(view.shape[axis + 1 :]) != 1:
        flat = reshape(node, lowering, view, (prod(view.shape[:axis]), prod(view.shape[axis:])))
        return reshape(node, lowering, TensorView.plain(lowering.emit(node, Softmax(), [flat.tensor])), view.shape)
    order = (*(k for k in view.order if k != axis), axis)
    return TensorView(lowering.emit(node, Softmax(), [lowering.arrange(node, view, order)]), order)


def clamp(node: OnnxNode, lowering: Lowering, view: TensorView, low: float, high: float) -> TensorView:
    """Emit what holds values between two bounds.

    Bounds that leave zero out are moved to begin there and back afterwards: no int8 scale can saturate at them.
    """
    rectifier = _RECTIFIERS.get((low, high))
    if rectifier is not None:
        return TensorView(lowering.emit(node, rectifier, [view.tensor]), view.order)
    anchor = low if low > 0.0 else min(0.0, high)
    if anchor != 0.0:
        moved = clamp(node, lowering, _affine(node, lowering, view, 1.0, -anchor), low - anchor, high - anchor)
        return _affine(node, lowering, moved, 1.0, anchor)
    tensor = view.tensor
    if low == 0.0:  # unlike MAXIMUM it can be fused into the operator in front
        tensor, low = lowering.emit(node, Relu(), [tensor]), -_INFINITY
    if low > -_INFINITY:
        tensor = lowering.emit(
            node, Maximum(low), [tensor, lowering.add_constant(f"{node.name}/low", np.array(low, np.float32))]
        )
    if high < _INFINITY:
        tensor = lowering.emit(
            node, Minimum(high), [tensor, lowering.add_constant(f"{node.name}/high", np.array(high, np.float32))]
        )
    return TensorView(tensor, view.order)


def _bound(node: OnnxNode, lowering: Lowering, index: int, key: str, default: float) -> float:
    value = float(lowering.constant(node, index).reshape(-1)[0]) if node.has_input(index) else node.real(key, default)
    if value != value:  # noqa: PLR0124 - the one number that differs from itself
        raise ModelError(f"{node}: bound {key} is not a number")
    return value if abs(value) < _BEYOND else default


def _scaled(node: OnnxNode, lowering: Lowering, view: TensorView, factor: float) -> TensorView:
    constant = TensorView.plain(lowering.add_constant(f"{node.name}/factor", np.array(factor, np.float32)))
    return combine(node, lowering, Mul(), view, constant)


def _affine(node: OnnxNode, lowering: Lowering, view: TensorView, factor: float, offset: float) -> TensorView:
    scaled = view if factor == 1.0 else _scaled(node, lowering, view, factor)
    constant = TensorView.plain(lowering.add_constant(f"{node.name}/offset", np.array(offset, np.float32)))
    return combine(node, lowering, Add(), scaled, constant)
