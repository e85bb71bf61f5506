"""A network's operations in terms that ONNX and TFLite share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Final, Literal, TypeAlias

__all__ = ["Inspection", "Operation", "PeakMemory", "Shape", "Step", "Value", "element_count", "peak_memory"]

Step: TypeAlias = tuple[str, str, tuple[str, ...], tuple[str, ...]]
"""Name, operator, inputs, outputs."""

_ONNX: Final = (
    "Add BatchNormalization Cast Clip Div Dropout Elu Flatten HardSigmoid HardSwish Identity LeakyRelu Mul PRelu Relu "
    "Reshape Selu Sigmoid Softmax Squeeze Sub Tanh Unsqueeze"
)
_TFLITE: Final = (
    "ADD DIV ELU EXPAND_DIMS HARD_SWISH LEAKY_RELU LOGISTIC MUL PRELU RELU RELU6 RESHAPE SOFTMAX SQUEEZE SUB TANH"
)
IN_PLACE: Final = frozenset(f"{_ONNX} {_TFLITE}".split())
"""Operators that runtimes let write over an input of the same size that nothing needs any more."""


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak of activation memory, and the operation at which it occurs."""

    byte_count: int
    operation: str


def peak_memory(
    steps: Sequence[Step], sizes: Mapping[str, int], *, inputs: Sequence[str], outputs: Sequence[str]
) -> PeakMemory:
    """Return the largest sum of activations that are there at the same time; `sizes` has every activation in bytes.

    An activation is there from the operation that makes it to the last one that reads it; the network's inputs from
    the beginning, its outputs to the end. No fusion is assumed, and no memory of a kernel's own (im2col, packing): a
    runtime's arena is larger where holes between tensors cannot be filled, and smaller where it fuses operations.
    """
    last_use = {name: index for index, (_, _, reads, _) in enumerate(steps) for name in reads}
    last_use |= dict.fromkeys(outputs, len(steps))
    live = {name: sizes[name] for name in inputs if name in sizes}
    peak = PeakMemory(sum(live.values()), "input")
    for index, (name, operator, reads, makes) in enumerate(steps):
        dying = {read for read in reads if last_use[read] == index and read in live}
        made = {output: sizes[output] for output in makes if output in sizes}
        if operator in IN_PLACE:
            for size in made.values():
                overwritten = next((read for read in dying if live[read] == size), None)
                if overwritten is not None:
                    del live[overwritten]
                    dying.discard(overwritten)
        live |= made
        peak = max(peak, PeakMemory(sum(live.values()), name), key=lambda moment: moment.byte_count)
        for read in dying:
            del live[read]
        for output in made:
            if output not in last_use:
                del live[output]
    return peak


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
