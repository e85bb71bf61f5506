"""What Slice and Split take out of a tensor: the same rules for constants and for activations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.importer.onnx_model import OnnxNode

__all__ = ["AxisSlice", "ConstantInputs", "read_slice", "split_sizes"]


class ConstantInputs(Protocol):
    """Function that gives the constant inputs of a node."""

    def integers(self, node: OnnxNode, index: int) -> tuple[int, ...]:
        """Return a constant list of integers."""
        ...


@dataclass(frozen=True, slots=True)
class AxisSlice:
    """Cut of one axis; `start` and `stop` are Python's after clamping, so stop may be -1 with a negative step."""

    axis: int
    start: int
    stop: int
    step: int


def read_slice(node: OnnxNode, inputs: ConstantInputs, shape: tuple[int, ...]) -> Iterator[AxisSlice]:
    """Yield the cut of each axis that a Slice names (attributes up to opset 9, inputs since 10)."""
    if node.has_input(1):
        starts, stops = inputs.integers(node, 1), inputs.integers(node, 2)
        axes = inputs.integers(node, 3) if node.has_input(3) else tuple(range(len(starts)))
        steps = inputs.integers(node, 4) if node.has_input(4) else (1,) * len(starts)
    else:
        starts, stops = node.integers("starts"), node.integers("ends")
        axes, steps = node.integers("axes", tuple(range(len(starts)))), (1,) * len(starts)
    if not len(starts) == len(stops) == len(axes) == len(steps) or 0 in steps:
        raise ModelError(
            f"{node}: starts {list(starts)}, ends {list(stops)}, axes {list(axes)}, steps {list(steps)} do not fit"
        )
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        if not -len(shape) <= axis < len(shape):
            raise ModelError(f"{node}: axis {axis} is out of range for shape {list(shape)}")
        yield AxisSlice(axis % len(shape), *slice(start, stop, step).indices(shape[axis]))


def split_sizes(node: OnnxNode, inputs: ConstantInputs, total: int) -> tuple[int, ...]:
    """Return the sizes of a Split's parts: given, or equal with the last one smaller."""
    if node.has_input(1):
        sizes = inputs.integers(node, 1)
    elif "split" in node.attributes:
        sizes = node.integers("split")
    else:
        count = node.integer("num_outputs", len(node.outputs))
        each = -(-total // max(1, count))
        sizes = tuple(min(each, total - each * k) for k in range(count))
    if len(sizes) != len(node.outputs) or min(sizes, default=0) < 1 or sum(sizes) != total:
        raise ModelError(f"{node}: parts of {list(sizes)} do not make up {total} in {len(node.outputs)} outputs")
    return sizes
