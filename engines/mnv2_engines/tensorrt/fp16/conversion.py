"""A float32 ONNX network as FP16 between float32 ends, for networks that TensorRT takes as typed.

From version 10 on TensorRT computes each layer in the type that the file gives it (the FP16 flag is deprecated there
and gone in 11), so precision is decided here:

* weights and activations become FP16; the network's inputs and outputs stay float32, with a Cast each;
* what ONNX does not define for FP16, what adds up many numbers, and arithmetic on shapes stays float32 (`roles`);
* so do whole numbers that become float32 and what is computed from them: FP16 skips some from 2049 on;
* BatchNormalization goes into the convolution in front of it first, while its numbers are exact (`batch_norm`).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensorrt.fp16.batch_norm import fold_batch_norms
from mnv2_engines.tensorrt.fp16.constants import drop_unused, lift_constants
from mnv2_engines.tensorrt.fp16.half import LARGEST, filters_to_half, overflows, to_half
from mnv2_engines.tensorrt.fp16.roles import Precision, Roles, find_roles
from mnv2_engines.tensorrt.onnx_file import import_onnx

if TYPE_CHECKING:
    import onnx

__all__ = ["HalfModel", "to_fp16"]

_OF_SHAPES: Final = frozenset({"Shape", "Size"})
_WIDE: Final = ("INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64")
"""Whole numbers that FP16 does not hold: it is exact up to 2048, and ends at 65504."""
_RECKONS: Final = frozenset(
    {"Abs", "Add", "Ceil", "Concat", "Div", "Flatten", "Floor", "Gather", "Identity", "Mod", "Mul", "Neg", "Reshape"}
    | {"Round", "Slice", "Split", "Squeeze", "Sub", "Transpose", "Unsqueeze"}
)
"""What is done with places and counts. A convolution is not: a picture may be whole numbers of any type."""
_BOUNDED: Final = frozenset({"Clip", "Max", "Min"})
"""A bound beyond FP16 bounds nothing that FP16 can hold: the largest number does as well."""


@dataclass(frozen=True, slots=True, eq=False)
class HalfModel:
    """A network in FP16, and the parts that could not be converted."""

    model: onnx.ModelProto
    kept: tuple[str, ...]
    """Nodes that stay float32, as `GlobalAveragePool 'pool'`."""
    warnings: tuple[str, ...]
    """One sentence for each weight that kept its node float32."""


def to_fp16(model: onnx.ModelProto) -> HalfModel:
    """Return the network in FP16; `model` is not touched.

    Raises UnsupportedOperatorError for subgraphs and operators that are not ONNX's own, ModelError for a graph whose
    types cannot be worked out.
    """
    lib = import_onnx()
    converted: onnx.ModelProto = lib.ModelProto()
    converted.CopyFrom(model)
    _refuse(converted)
    lift_constants(lib, converted)
    fold_batch_norms(lib, converted)
    return _Converter(lib, converted).convert()


class _Converter:
    """Precision of every float32 tensor of one graph, with a Cast where two precisions meet."""

    def __init__(self, lib: ModuleType, model: onnx.ModelProto) -> None:
        self._lib = lib
        self._model = model
        self._graph = model.graph
        self._opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
        self._types = _infer_types(lib, model)
        self._wide = {lib.TensorProto.DataType.Value(name) for name in _WIDE}
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._exact = set(self._weights)
        """What must not be rounded in computations: static numbers, and whole ones that were counted."""
        self._static = set(self._weights)
        """What does not depend on the picture: weights, shapes, and what is computed from these alone."""
        self._precisions: dict[str, Precision] = {value.name: "single" for value in model.graph.input}
        self._other: dict[str, str] = {}
        """Of a tensor that is needed in both precisions, or of a weight: the name of the other one."""
        self._names = {name for node in model.graph.node for name in (*node.input, *node.output)}
        self._nodes: list[onnx.NodeProto] = []
        self._kept: list[str] = []
        self._warnings: list[str] = []

    def convert(self) -> HalfModel:
        for original in self._graph.node:
            node = self._lib.NodeProto()
            node.CopyFrom(original)
            self._add(node)
        self._end_in_single()
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]
        drop_unused(self._graph)
        return HalfModel(self._model, tuple(self._kept), tuple(self._warnings))

    def _add(self, node: onnx.NodeProto) -> None:
        static = node.op_type in _OF_SHAPES or all(name in self._static for name in node.input if name)
        exact = self._counts(node) or (
            node.op_type in _RECKONS and all(name in self._exact for name in node.input if name)
        )
        if static:
            self._static.update(node.output)
        if static or exact:
            self._exact.update(node.output)
        roles = self._roles(node, single=static or exact)
        for index, role in enumerate(roles.inputs):
            if role is not None:
                node.input[index] = self._as(node.input[index], role, _filter_axis(node, index))
        for name, role in zip(node.output, roles.outputs, strict=True):
            if role is not None:
                self._precisions[name] = role
        if node.op_type == "Cast" and roles.outputs == ("half",):
            next(a for a in node.attribute if a.name == "to").i = self._lib.TensorProto.FLOAT16
        if "single" in roles.outputs and not static:
            self._kept.append(f"{node.op_type} {node.name or node.output[0]!r}")
        self._nodes.append(node)

    def _counts(self, node: onnx.NodeProto) -> bool:
        """Return whether a node makes float32 of whole numbers that may be beyond 2048."""
        return node.op_type == "Cast" and self._types.get(node.input[0]) in self._wide

    def _roles(self, node: onnx.NodeProto, *, single: bool) -> Roles:
        roles = find_roles(self._lib, node, self._types, self._opset, single=single)
        for name, role in zip(node.input, roles.inputs, strict=True):
            if role != "half" or name not in self._weights or node.op_type in _BOUNDED:
                continue
            if overflows(self._lib.numpy_helper.to_array(self._weights[name])):
                self._warnings.append(
                    f"{name!r} holds numbers beyond {LARGEST:g}, FP16's largest: "
                    f"{node.op_type} {node.name or node.output[0]!r} stays float32"
                )
                return find_roles(self._lib, node, self._types, self._opset, single=True)
        return roles

    def _as(self, name: str, role: Precision, filter_axis: int | None) -> str:
        """Return the name of a tensor in that precision, making it when it is not there yet."""
        if self._precisions.get(name, "single") == role:
            return name
        if name not in self._other:
            self._other[name] = self._fresh(f"{name}/{role}")
            if name in self._weights:
                weights = self._lib.numpy_helper.to_array(self._weights[name])
                half = to_half(weights) if filter_axis is None else filters_to_half(weights, filter_axis)
                self._graph.initializer.append(self._lib.numpy_helper.from_array(half, self._other[name]))
            else:
                self._nodes.append(self._cast(name, self._other[name], role))
        return self._other[name]

    def _end_in_single(self) -> None:
        """Give the network's outputs their names back, in float32."""
        for value in self._graph.output:
            name = value.name
            if self._precisions.get(name) != "half":
                continue
            inner = self._fresh(f"{name}/half")
            for node in self._nodes:
                for names in (node.input, node.output):
                    for index, used in enumerate(names):
                        if used == name:
                            names[index] = inner
            self._nodes.append(self._cast(inner, name, "single"))

    def _cast(self, source: str, target: str, role: Precision) -> onnx.NodeProto:
        kind = self._lib.TensorProto.FLOAT16 if role == "half" else self._lib.TensorProto.FLOAT
        node: onnx.NodeProto = self._lib.helper.make_node("Cast", [source], [target], f"{target}/cast", to=kind)
        return node

    def _fresh(self, name: str) -> str:
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name


def _filter_axis(node: onnx.NodeProto, index: int) -> int | None:
    """Return along which axis an input's filters are counted; None when it is not a filter."""
    if index != 1:
        return None
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return 0 if node.op_type == "Conv" else None


def _refuse(model: onnx.ModelProto) -> None:
    if model.functions or model.graph.sparse_initializer:
        raise ModelError("the model holds local functions or sparse weights: export it again without them")
    for node in model.graph.node:
        label = f"{node.op_type} {node.name or ', '.join(node.output)!r}"
        if node.domain not in {"", "ai.onnx"}:
            raise UnsupportedOperatorError(f"operator {node.domain}.{label} is none of ONNX's own: export without it")
        kinds = {type(attribute).GRAPH for attribute in node.attribute} | {
            type(attribute).GRAPHS for attribute in node.attribute
        }
        if any(attribute.type in kinds for attribute in node.attribute):
            raise UnsupportedOperatorError(
                f"{label} holds a subgraph, which the FP16 conversion does not enter: export without If, Loop and "
                "Scan, or build with --precision fp32"
            )


def _infer_types(lib: ModuleType, model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type of every tensor, by TensorProto's numbers."""
    try:
        inferred = lib.shape_inference.infer_shapes(model, check_type=True).graph
    except lib.shape_inference.InferenceError as exc:
        raise ModelError(f"the model's types contradict each other: {' '.join(str(exc).split())}") from exc
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    types.update({tensor.name: tensor.data_type for tensor in model.graph.initializer})
    for node in model.graph.node:
        for name in node.output:
            if name and not types.get(name):
                raise ModelError(
                    f"the type of {name!r} ({node.op_type} {node.name!r}) cannot be worked out: export the model again "
                    "with a newer exporter, or build with --precision fp32"
                )
    return types
