"""BatchNormalization folded into the node in front: FP16 can hold its factors, but not its small variances."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx


__all__ = ["fold_batch_norms"]

_Double: TypeAlias = npt.NDArray[np.float64]
_FLOAT: Final = 1
"""TensorProto.FLOAT: what is FP16 or double in the file stays as it is."""
_EPSILON: Final = 1e-5
"""ONNX' default."""


def fold_batch_norms(lib: ModuleType, model: onnx.ModelProto) -> None:
    """Multiply each BatchNormalization with constant statistics into its Conv, else make a Mul and an Add of it.

    In double precision, and rounded to float32 once. One that cannot be folded (statistics that are computed, an input
    of unknown rank, training mode) stays as it is. Constants have to be initializers.
    """
    if any(node.op_type == "BatchNormalization" for node in model.graph.node):
        _Folder(lib, model).fold()


class _Folder:
    """Replacement of nodes in one graph."""

    def __init__(self, lib: ModuleType, model: onnx.ModelProto) -> None:
        self._lib = lib
        self._graph = model.graph
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = lib.shape_inference.infer_shapes(model).graph
        self._ranks = {
            value.name: len(value.type.tensor_type.shape.dim)
            for value in (*inferred.value_info, *inferred.input, *inferred.output)
            if value.type.tensor_type.HasField("shape") and value.type.tensor_type.elem_type == _FLOAT
        }
        """Of what is float32."""
        self._readers = Counter(name for node in model.graph.node for name in node.input)
        self._readers.update(value.name for value in model.graph.output)

    def fold(self) -> None:
        nodes: list[onnx.NodeProto] = []
        makers: dict[str, onnx.NodeProto] = {}
        for original in self._graph.node:
            node = self._lib.NodeProto()
            node.CopyFrom(original)
            for made in self._replace(node, makers.get(node.input[0]) if node.input else None):
                nodes.append(made)
                makers.update(dict.fromkeys(made.output, made))
        del self._graph.node[:]
        self._graph.node.extend(nodes)

    def _replace(self, node: onnx.NodeProto, maker: onnx.NodeProto | None) -> list[onnx.NodeProto]:
        """Return what stands for `node`; nothing when it went into its maker."""
        affine = self._affine(node) if node.op_type == "BatchNormalization" else None
        if affine is None:
            return [node]
        factor, offset = affine
        if maker is not None and maker.op_type == "Conv" and self._foldable(maker):
            self._fold_into(maker, factor, offset)
            maker.output[0] = node.output[0]
            return []
        shape = (-1, *[1] * (self._ranks[node.input[0]] - 2))
        scaled = f"{node.output[0]}/scaled"
        make = self._lib.helper.make_node
        label = node.name or node.output[0]
        times = self._add(f"{label}/factor", factor.reshape(shape))
        plus = self._add(f"{label}/offset", offset.reshape(shape))
        return [
            make("Mul", [node.input[0], times], [scaled], f"{label}/mul"),
            make("Add", [scaled, plus], [node.output[0]], f"{label}/add"),
        ]

    def _affine(self, node: onnx.NodeProto) -> tuple[_Double, _Double] | None:
        """Return factor and offset per channel, in double precision; None when they are not constant."""
        attributes = {a.name: a for a in node.attribute}
        training = "training_mode" in attributes and attributes["training_mode"].i != 0
        if training or len(node.output) != 1 or self._ranks.get(node.input[0], 0) < 2:
            return None
        if not all(self._is_float(name) for name in node.input[1:5]):
            return None
        gamma, beta, mean, variance = (self._array(name) for name in node.input[1:5])
        epsilon = attributes["epsilon"].f if "epsilon" in attributes else _EPSILON
        factor = gamma / np.sqrt(variance + epsilon)
        return factor, beta - mean * factor

    def _foldable(self, conv: onnx.NodeProto) -> bool:
        return self._readers[conv.output[0]] == 1 and all(self._is_float(name) for name in conv.input[1:] if name)

    def _is_float(self, name: str) -> bool:
        return name in self._weights and self._weights[name].data_type == _FLOAT

    def _fold_into(self, conv: onnx.NodeProto, factor: _Double, offset: _Double) -> None:
        kernel = self._array(conv.input[1])
        label = conv.name or conv.output[0]
        scaled = kernel * factor.reshape(-1, *[1] * (kernel.ndim - 1))
        bias = self._array(conv.input[2]) if len(conv.input) > 2 and conv.input[2] else 0.0
        inputs = [conv.input[0], self._add(f"{label}/folded_kernel", scaled)]
        inputs.append(self._add(f"{label}/folded_bias", bias * factor + offset))
        del conv.input[:]
        conv.input.extend(inputs)

    def _array(self, name: str) -> _Double:
        array: _Double = self._lib.numpy_helper.to_array(self._weights[name]).astype(np.float64)
        return array

    def _add(self, name: str, array: _Double) -> str:
        """Keep an array among the weights; return the name, changed when it is taken."""
        while name in self._weights or name in self._readers:
            name += "_"
        tensor = self._lib.numpy_helper.from_array(array.astype(np.float32), name)
        self._weights[name] = tensor
        self._graph.initializer.append(tensor)
        return name
