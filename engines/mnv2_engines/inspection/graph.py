"""A network's operations in terms that ONNX and TFLite share."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal, TypeAlias

from mnv2_engines.inspection.memory import PeakMemory, peak_memory

__all__ = ["Inspection", "Operation", "Shape", "Value", "element_count"]

Shape: TypeAlias = tuple[int | None, ...]
"""None where a size is free; a scalar's is empty."""


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that flows between operations, or a constant."""

    name: str
    shape: Shape | None
    """None when not even the number of axes is known."""
    dtype: str
    constant: bool
    byte_count: int | None
    """None while the shape is not known. Of a constant, as it lies in the file."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `inputs` and `outputs` name values."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    macs: int | None
    """Multiply-accumulates of convolutions and matrix products; 0 for all others, None when shapes are not known."""
    kernel: tuple[int, ...] | None
    """(outputs, inputs / groups, height, width) of a convolution, (outputs, inputs) of a dense layer."""
    parameters: int
    """Numbers that were learned: kernels, biases, scales and shifts; not BatchNorm's statistics. Shared ones once."""
    bias: int
    """How many of them are a bias."""
    weight_bytes: int
    """Of its constants as they lie in the file."""


@dataclass(frozen=True)
class Inspection:
    """Everything that was read from one file."""

    format: Literal["ONNX", "TFLite"]
    file_bytes: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operations: tuple[Operation, ...]
    """In the order in which they run."""
    values: Mapping[str, Value]

    @property
    def macs(self) -> int | None:
        """Return the multiply-accumulates for one image; None when some are not known."""
        total = 0
        for operation in self.operations:
            if operation.macs is None:
                return None
            total += operation.macs
        return total

    @property
    def parameters(self) -> int:
        """Return how many numbers were learned."""
        return sum(operation.parameters for operation in self.operations)

    @property
    def weight_bytes(self) -> int:
        """Return the bytes of all constants, each once."""
        return sum(value.byte_count or 0 for value in self.values.values() if value.constant)

    @cached_property
    def peak(self) -> PeakMemory | None:
        """Return where most activations have to be there at once; None when some size is not known."""
        sizes = {value.name: value.byte_count for value in self.values.values() if not value.constant}
        known = {name: size for name, size in sizes.items() if size is not None}
        if len(known) != len(sizes):
            return None
        steps = [(step.name, step.operator, step.inputs, step.outputs) for step in self.operations]
        return peak_memory(
            steps, known, inputs=[value.name for value in self.inputs], outputs=[value.name for value in self.outputs]
        )


def element_count(shape: Shape | None) -> int | None:
    """Return how many elements there are; None when that is not known."""
    if shape is None or any(size is None for size in shape):
        return None
    return prod(size for size in shape if size is not None)
