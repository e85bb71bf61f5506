"""What the compiler must know of a TFLite operator, and the code that lowers an ONNX operator to it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import ClassVar

from mnv2_engines.tensors import DTypeName

__all__ = ["Activation", "Fusable", "Operator", "ScaleRule", "Weighted"]


class ScaleRule(Enum):
    """How an operator's int8 output gets its scale."""

    WEIGHTED = "weighted"
    """A range of its own; input 1 holds per-channel weights, input 2 the int32 bias."""
    OWN = "own"
    """A range of its own; constant inputs are quantised per tensor."""
    SHARED = "shared"
    """Integers pass through: all activations in and out must have one scale and zero point (XNNPACK checks it)."""
    CLAMP = "clamp"
    """A range of its own inside `bounds`, where int8 saturates by itself: the operator goes, or becomes a rescaling."""
    FIXED = "fixed"
    """0 to 1 in steps of 1/256: scale 1/256, zero point -128, the only ones the int8 kernels take."""
    FLOAT = "float"
    """Computed in float32 between a DEQUANTIZE and, if need be, a QUANTIZE: XNNPACK has no int8 kernel for it."""
    INDEX = "index"
    """The output is not a real number: it stays as it is."""


class Activation(Enum):
    """Functions that TFLite can fuse into an operator; values as in the schema's ActivationFunctionType."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest value that passes."""
        infinity = float("inf")
        return {0: (-infinity, infinity), 1: (0.0, infinity), 2: (-1.0, 1.0), 3: (0.0, 6.0)}[self.value]


class Operator(ABC):
    """One TFLite operator: a subclass is a frozen dataclass whose fields are the operator's options."""

    builtin: ClassVar[str]
    """Its name in the schema's BuiltinOperator."""
    rule: ClassVar[ScaleRule]
    output_dtype: ClassVar[DTypeName] = "float32"
    """What it makes in the float graph."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Return what a CLAMP lets through; everything for the others."""
        return (float("-inf"), float("inf"))

    @abstractmethod
    def output_shapes(self, shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the outputs from those of all inputs, constants included.

        Raises ValueError when the shapes do not fit; the caller adds the node's name.
        """

    def options(self, schema: ModuleType) -> object | None:
        """Return the filled options table (`<Name>OptionsT`), or None where the operator has none."""
        del schema
        return None

    def version(self, *, quantised: bool) -> int:
        """Return the operator version that LiteRT asks for with float32 or int8 tensors."""
        return 2 if quantised else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusable(Operator):
    """Operator that TFLite can fuse an activation into."""

    activation: Activation = Activation.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Fusable):
    """Layer: input 0 is the data, 1 the constant weights, 2 the constant bias with one element per channel."""

    rule: ClassVar[ScaleRule] = ScaleRule.WEIGHTED
    channel_axis: ClassVar[int]
    """The axis of the weights along which each slice has its own scale: the output channels."""
