"""What the code of one operator needs to turn an ONNX node into TFLite nodes.

A value is kept as a `TensorView`: a tensor and the order of its axes. TFLite wants pictures as NHWC, ONNX has NCHW; an
operator asks for the order it needs, and a TRANSPOSE appears only where bookkeeping cannot avoid it. An ONNX Transpose
is bookkeeping.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tensors import TensorArray
from mnv2_engines.tflite.graph import Graph, Node, Scales, Shape, Tensor
from mnv2_engines.tflite.importer.onnx_model import OnnxNode
from mnv2_engines.tflite.operator import Operator

__all__ = ["LOWERINGS", "NHWC", "Lowering", "TensorView", "lowers"]

NHWC = (0, 2, 3, 1)
"""The ONNX axes of a picture in the order in which TFLite stores them."""

MAX_TENSOR_BYTES = 1 << 28
MAX_ACTIVATION_BYTES = 1 << 31
"""DeepLab at 513x513 needs 22 MB and 0.4 GB; a file that asks for more is damaged, or too large for these boards."""
MAX_NODES = 20_000


@dataclass(frozen=True, slots=True)
class TensorView:
    """An ONNX value in a tensor: axis k of the tensor is ONNX axis ``order[k]``."""

    tensor: Tensor
    order: tuple[int, ...]

    @classmethod
    def plain(cls, tensor: Tensor) -> "TensorView":
        """Return a tensor whose axes are in ONNX's order."""
        return cls(tensor, tuple(range(len(tensor.shape))))

    @property
    def rank(self) -> int:
        """Count the axes."""
        return len(self.order)

    @property
    def shape(self) -> Shape:
        """Return the shape that ONNX sees."""
        return tuple(self.tensor.shape[k] for k in np.argsort(self.order))

    def axis(self, onnx_axis: int) -> int:
        """Return where the tensor keeps an ONNX axis; negative ones count from the end.

        Raises ValueError when there is no such axis.
        """
        if not -self.rank <= onnx_axis < self.rank:
            raise ValueError(f"axis {onnx_axis} is out of range for shape {list(self.shape)}")
        return self.order.index(onnx_axis % self.rank)


LowerFunction: TypeAlias = "Callable[[OnnxNode, Lowering], TensorView | tuple[TensorView, ...]]"
LOWERINGS: dict[str, LowerFunction] = {}
"""ONNX operator to the function that lowers it; filled when `mnv2_engines.tflite.operators` is imported."""


def lowers(*op_types: str) -> Callable[[LowerFunction], LowerFunction]:
    """Register a function as the way to lower these ONNX operators."""

    def register(function: LowerFunction) -> LowerFunction:
        for op_type in op_types:
            if op_type in LOWERINGS:
                raise ValueError(f"{op_type} is lowered twice: by {LOWERINGS[op_type]} and {function}")
            LOWERINGS[op_type] = function
        return function

    return register


class Lowering:
    """Collector of the TFLite nodes of one model."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.graph = Graph([], [])
        self.views: dict[str, TensorView] = {}
        """Values that exist only when the network runs, by ONNX name."""
        self.constants: dict[str, TensorArray] = {}
        """Values known now, by ONNX name, as ONNX lays them out."""
        self.kept_scales: dict[str, Scales] = {}
        """Scales that the file itself gives its quantised constants, by ONNX name."""
        self._names: set[str] = set()
        self._arranged: dict[tuple[Tensor, tuple[int, ...]], Tensor] = {}
        self._activation_bytes = 0

    # What an operator's code reads.

    def view(self, node: OnnxNode, index: int) -> TensorView:
        """Return an input as a view; a constant becomes a tensor in ONNX's order, floats as float32."""
        name = self._input_name(node, index)
        if name not in self.views:
            data = self.constant(node, index)
            tensor = self.add_constant(name, data)
            tensor.scales = self.kept_scales.get(name)
            return TensorView.plain(tensor)
        return self.views[name]

    def picture(self, node: OnnxNode, index: int = 0) -> Tensor:
        """Return a four-dimensional input as NHWC."""
        view = self.view(node, index)
        if view.rank != 4:
            raise ModelError(f"{node}: input has shape {list(view.shape)}, expected a batch of pictures (4 dimensions)")
        return self.arrange(node, view, NHWC)

    def plain(self, node: OnnxNode, index: int = 0) -> Tensor:
        """Return an input with its axes in ONNX's order."""
        view = self.view(node, index)
        return self.arrange(node, view, tuple(range(view.rank)))

    def constant(self, node: OnnxNode, index: int) -> TensorArray:
        """Return an input that must be known at build time; ModelError when it is not."""
        name = self._input_name(node, index)
        if name not in self.constants:
            raise ModelError(f"{node}: input {index} ({name!r}) must be a constant, and it depends on the picture")
        return self.constants[name]

    def is_constant(self, node: OnnxNode, index: int) -> bool:
        """Return whether an input is known at build time."""
        return node.has_input(index) and node.inputs[index] in self.constants

    def integers(self, node: OnnxNode, index: int) -> tuple[int, ...]:
        """Return a constant list of integers, such as axes or a shape."""
        return tuple(int(item) for item in self.constant(node, index).reshape(-1))

    # What an operator's code writes.

    def emit(self, node: OnnxNode, operator: Operator, inputs: Sequence[Tensor]) -> Tensor:
        """Append a TFLite node with one output and return that output."""
        (output,) = self.emit_many(node, operator, inputs)
        return output

    def emit_many(self, node: OnnxNode, operator: Operator, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Append a TFLite node and return its outputs; their shapes follow from the inputs."""
        shapes = operator.output_shapes([tensor.shape for tensor in inputs])
        outputs = [
            Tensor(self.claim(f"{node.name}/{operator.builtin.lower()}"), shape, operator.output_dtype)
            for shape in shapes
        ]
        for tensor in outputs:
            self._charge(node, tensor)
        self.graph.nodes.append(Node(operator, list(inputs), outputs, node.name))
        if len(self.graph.nodes) > MAX_NODES:
            raise ModelError(f"{node}: the graph grows beyond {MAX_NODES} operators")
        return outputs

    def add_constant(self, name: str, data: TensorArray) -> Tensor:
        """Make a constant tensor; floats become float32, integers int32."""
        kind = np.float32 if np.issubdtype(data.dtype, np.floating) else np.int32
        if kind is np.int32:
            data = np.clip(data, np.iinfo(np.int32).min, np.iinfo(np.int32).max)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(data, dtype=kind)
        if kind is np.float32 and not np.isfinite(array).all():
            raise ModelError(f"constant {name!r} holds values that are infinite or no numbers")
        return Tensor.constant(self.claim(name), array)

    def arrange(self, node: OnnxNode, view: TensorView, order: tuple[int, ...]) -> Tensor:
        """Return the view's tensor with its axes in this order, moving data only when the order in memory changes."""
        from mnv2_engines.tflite.operators.shaping import Reshape, Transpose

        permutation = tuple(view.order.index(axis) for axis in order)
        if permutation == tuple(range(view.rank)):
            return view.tensor
        key = (view.tensor, permutation)
        if key in self._arranged:
            return self._arranged[key]
        shape = tuple(view.tensor.shape[k] for k in permutation)
        if view.tensor.data is not None:
            result = Tensor.constant(
                self.claim(view.tensor.name), np.ascontiguousarray(view.tensor.data.transpose(permutation))
            )
            result.scales = _permuted_scales(view.tensor.scales, permutation)
        elif _same_memory(view.tensor.shape, permutation):
            result = self.emit(
                node, Reshape(shape), [view.tensor, self.add_constant(f"{node.name}/shape", np.array(shape))]
            )
        else:
            result = self.emit(
                node,
                Transpose(permutation),
                [view.tensor, self.add_constant(f"{node.name}/order", np.array(permutation))],
            )
        self._arranged[key] = result
        return result

    def add_input(self, name: str, view: TensorView) -> None:
        """Declare the graph's input."""
        self._charge(None, view.tensor)
        self.graph.inputs.append(view.tensor)
        self._names.add(view.tensor.name)
        self.views[name] = view

    def bind(self, name: str, view: TensorView, *, rename: bool) -> None:
        """Give an ONNX output its view; its tensor takes the ONNX name when this node made it."""
        if name in self.views or name in self.constants:
            raise ModelError(f"value {name!r} is computed twice: the file is damaged")
        if rename:
            view.tensor.name = self.claim(name)
        self.views[name] = view

    def name_output(self, tensor: Tensor, name: str) -> None:
        """Give a graph output its ONNX name, taking it from the NHWC tensor that it may be a transposition of."""
        for other in {*self.graph.activations(), *self.graph.inputs}:
            if other.name == name and other is not tensor:
                other.name = self.claim(f"{name}/nhwc")
        tensor.name = name

    def claim(self, wish: str) -> str:
        """Take a name, with a number behind it when it is taken already."""
        name, count = wish, 1
        while name in self._names:
            name, count = f"{wish}_{count}", count + 1
        self._names.add(name)
        return name

    def _input_name(self, node: OnnxNode, index: int) -> str:
        if not node.has_input(index):
            raise ModelError(f"{node}: input {index} is missing")
        name = node.inputs[index]
        if name not in self.views and name not in self.constants:
            raise ModelError(f"{node}: input {name!r} is computed by no earlier node")
        return name

    def _charge(self, node: OnnxNode | None, tensor: Tensor) -> None:
        self._activation_bytes += tensor.byte_count
        if (
            min(tensor.shape, default=1) < 1
            or tensor.byte_count > MAX_TENSOR_BYTES
            or self._activation_bytes > MAX_ACTIVATION_BYTES
        ):
            raise ModelError(
                f"{node or 'the input'}: shape {list(tensor.shape)} is empty or too large to run on this kind of device"
            )


def _same_memory(shape: Shape, permutation: tuple[int, ...]) -> bool:
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved) or prod(shape) == 1


def _permuted_scales(scales: Scales | None, permutation: tuple[int, ...]) -> Scales | None:
    if scales is None or len(scales.scale) == 1:
        return scales
    return Scales(scales.scale, scales.zero_point, permutation.index(scales.axis))
