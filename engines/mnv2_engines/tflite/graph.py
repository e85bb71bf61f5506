"""A network on its way from ONNX to the flatbuffer: in TFLite's operators, NHWC, every shape known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias

import numpy as np

from mnv2_engines.tensors import DTYPES, DTypeName, FloatArray, TensorArray
from mnv2_engines.tflite.operator import Operator

__all__ = ["Graph", "Node", "Scales", "Shape", "Tensor"]

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """Mapping of integers to reals: ``real = (integer - zero_point) * scale``, per tensor or per slice of `axis`."""

    scale: FloatArray
    """One element, or as many as the tensor has along `axis`."""
    zero_point: int = 0
    """Always 0 where there is more than one scale: TFLite's per-channel weights are symmetric."""
    axis: int = 0

    @classmethod
    def of(cls, scale: float, zero_point: int = 0) -> "Scales":
        """Make the scales of a whole tensor."""
        return cls(np.array([scale], np.float32), zero_point)

    def matches(self, other: "Scales") -> bool:
        """Return whether integers mean the same under both."""
        return self.zero_point == other.zero_point and np.array_equal(self.scale, other.scale)


@dataclass(eq=False, slots=True)
class Tensor:
    """One value of the graph; two tensors are the same only when they are the same object."""

    name: str
    """Unique in its graph. An activation that ONNX also has keeps the ONNX name, in the float and in the int8 file."""
    shape: Shape
    dtype: DTypeName = "float32"
    data: TensorArray | None = None
    """The elements of a constant; None for an activation. Never written to: several tensors may share them."""
    scales: Scales | None = None
    """How integers map to reals. On a float32 constant: the scales that a quantised ONNX file wants kept."""

    @classmethod
    def constant(cls, name: str, data: TensorArray) -> "Tensor":
        """Wrap an array whose dtype TFLite knows; it must not change afterwards."""
        return cls(name, data.shape, _dtype_name(data.dtype), data)

    @property
    def size(self) -> int:
        """Count the elements."""
        return prod(self.shape)

    @property
    def byte_count(self) -> int:
        """Count the bytes that the elements take."""
        return self.size * np.dtype(DTYPES[self.dtype]).itemsize


@dataclass(eq=False, slots=True)
class Node:
    """One operator of the graph with its inputs and outputs."""

    operator: Operator
    inputs: list[Tensor]
    outputs: list[Tensor]
    origin: str
    """The ONNX node it comes from, for messages and reports."""

    @property
    def output(self) -> Tensor:
        """Return the only output."""
        (output,) = self.outputs
        return output


@dataclass(slots=True)
class Graph:
    """Nodes in an order in which they can run."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    nodes: list[Node] = field(default_factory=list)

    def producers(self) -> dict[Tensor, Node]:
        """Map each activation that a node makes to that node."""
        return {tensor: node for node in self.nodes for tensor in node.outputs}

    def consumers(self) -> dict[Tensor, list[Node]]:
        """Map each tensor that nodes read to those nodes, once per node; graph outputs do not count as readers."""
        readers: dict[Tensor, list[Node]] = {}
        for node in self.nodes:
            for tensor in dict.fromkeys(node.inputs):
                readers.setdefault(tensor, []).append(node)
        return readers

    def tensors(self) -> Iterator[Tensor]:
        """Yield each tensor once: the graph's inputs, then by the first node that touches it."""
        return iter(dict.fromkeys(self._mentions()))

    def activations(self) -> list[Tensor]:
        """List what nodes compute, in order."""
        return [tensor for node in self.nodes for tensor in node.outputs]

    def replace(self, old: Tensor, new: Tensor) -> None:
        """Make everything that reads `old` read `new`, graph outputs included."""
        for node in self.nodes:
            node.inputs = _swap(node.inputs, old, new)
        self.outputs = _swap(self.outputs, old, new)

    def remove_dead_nodes(self) -> None:
        """Drop nodes whose outputs lead nowhere."""
        alive = set(self.outputs)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if alive.intersection(node.outputs):
                alive.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]

    def _mentions(self) -> Iterable[Tensor]:
        yield from self.inputs
        for node in self.nodes:
            yield from node.inputs
            yield from node.outputs
        yield from self.outputs


def _swap(tensors: Sequence[Tensor], old: Tensor, new: Tensor) -> list[Tensor]:
    return [new if tensor is old else tensor for tensor in tensors]


def _dtype_name(dtype: np.dtype[np.generic]) -> DTypeName:
    for name, kind in DTYPES.items():
        if dtype == kind:
            return name
    raise ValueError(f"dtype {dtype} has no TFLite tensor type here: expected one of {', '.join(DTYPES)}")
