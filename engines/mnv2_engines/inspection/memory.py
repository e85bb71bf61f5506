"""Peak memory for activations of a network that runs operation by operation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["PeakMemory", "Step", "peak_memory"]

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
