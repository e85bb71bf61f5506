"""An ONNX file's graph in plain Python: what the protobuf says, typed and checked, without the protobuf."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mnv2_engines.errors import ModelError
from mnv2_engines.tensors import TensorArray

__all__ = ["Attribute", "OnnxModel", "OnnxNode", "OnnxValue"]

Attribute: TypeAlias = "int | float | str | tuple[int, ...] | tuple[float, ...] | TensorArray"


@dataclass(frozen=True, slots=True)
class OnnxValue:
    """A graph input or output."""

    name: str
    dtype: str
    """Numpy's name."""
    shape: tuple[int | None, ...]
    """None where the size is free."""


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node; the accessors check an attribute's type, because files come from anywhere."""

    name: str
    """The node's own name, else its operator and position."""
    op_type: str
    inputs: tuple[str, ...]
    """Empty strings stand for optional inputs left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    def __str__(self) -> str:
        return f"{self.op_type} node {self.name!r}"

    def has_input(self, index: int) -> bool:
        """Return whether an optional input is there."""
        return index < len(self.inputs) and self.inputs[index] != ""

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an integer attribute; ModelError when it is missing without default or of another type."""
        value = self.attributes.get(key, default)
        if not isinstance(value, int):
            raise ModelError(f"{self}: attribute {key} is {_shown(value)}, expected an integer")
        return value

    def real(self, key: str, default: float) -> float:
        """Return a float attribute."""
        value = self.attributes.get(key, default)
        if not isinstance(value, float):
            raise ModelError(f"{self}: attribute {key} is {_shown(value)}, expected a real number")
        return value

    def text(self, key: str, default: str) -> str:
        """Return a string attribute."""
        value = self.attributes.get(key, default)
        if not isinstance(value, str):
            raise ModelError(f"{self}: attribute {key} is {_shown(value)}, expected a text")
        return value

    def integers(
        self, key: str, default: tuple[int, ...] | None = None, *, length: int | None = None
    ) -> tuple[int, ...]:
        """Return a list of integers, optionally of a given length."""
        value = self.attributes.get(key, default)
        if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
            raise ModelError(f"{self}: attribute {key} is {_shown(value)}, expected integers")
        if length is not None and len(value) != length:
            raise ModelError(f"{self}: attribute {key} is {_shown(value)}, expected {length} integers")
        return tuple(int(item) for item in value)


@dataclass(slots=True)
class OnnxModel:
    """A whole model; constants may be taken out as they are used, to free their memory."""

    opset: int
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    nodes: tuple[OnnxNode, ...]
    constants: dict[str, TensorArray]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
