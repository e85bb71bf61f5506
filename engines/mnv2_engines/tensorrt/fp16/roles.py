"""The inputs and outputs of a node that are FP16, by what ONNX defines and by what FP16 can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from mnv2_engines.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    import onnx

__all__ = ["ADDS_UP", "FLOAT", "Precision", "Roles", "find_roles"]

Precision: TypeAlias = Literal["half", "single"]

FLOAT: Final = 1
"""TensorProto.FLOAT: the one type that is changed."""
ADDS_UP: Final = frozenset(
    {
        "AveragePool", "GlobalAveragePool", "GlobalLpPool", "LpPool", "CumSum", "LRN",
        "ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
        "ReduceProd", "Softmax", "LogSoftmax", "BatchNormalization", "GroupNormalization", "InstanceNormalization",
        "LayerNormalization", "LpNormalization", "MeanVarianceNormalization",
    }
)  # fmt: skip
"""Operators that add up many numbers: they stay float32, because it is not documented in which precision a kernel adds.

An FP16 sum of 65 * 65 numbers between 0 and 6 has lost its low bits long before the end (docs/decisions/0040)."""
_COORDINATES: Final = frozenset({"GridSample", "MaxRoiPool", "RoiAlign"})
"""They take positions in pixels, of which FP16 tells apart no two halves beyond 1024."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The precision of a node's inputs and outputs; None for what is not float32 in the file."""

    inputs: tuple[Precision | None, ...]
    outputs: tuple[Precision | None, ...]


def find_roles(lib: ModuleType, node: onnx.NodeProto, types: Mapping[str, int], opset: int, *, single: bool) -> Roles:
    """Return the roles of a node; `lib` is the module onnx, `types` are TensorProto's numbers.

    What shares a type in ONNX' definition of the operator shares it here; `single` keeps all of it float32. Raises
    UnsupportedOperatorError for an operator that ONNX does not define.
    """
    try:
        schema = lib.defs.get_schema(node.op_type, opset, node.domain)
    except lib.defs.SchemaError as exc:
        raise UnsupportedOperatorError(
            f"operator {node.op_type} of node {node.name or node.output[0]!r} is none of ONNX's own (opset {opset}): "
            "export without it"
        ) from exc
    single = single or node.op_type in ADDS_UP | _COORDINATES or "dtype" in schema.attributes
    allowed = {constraint.type_param_str: constraint.allowed_type_strs for constraint in schema.type_constraints}

    def kinds(formals: Sequence[onnx.defs.OpSchema.FormalParameter], names: Sequence[str]) -> list[str | None]:
        """Return each one's type variable, or the type itself where ONNX fixes it; None for what is not float32."""
        last = len(formals) - 1
        return [
            formals[min(index, last)].type_str if types.get(name) == FLOAT else None for index, name in enumerate(names)
        ]

    takes = kinds(schema.inputs, node.input)
    gives = kinds(schema.outputs, node.output)
    halves = {kind for kind in takes if kind and not single and "tensor(float16)" in allowed.get(kind, (kind,))}
    if node.op_type == "Cast" and not single:
        halves.update(kind for kind in gives if kind)
    return Roles(tuple(_role(kind, halves) for kind in takes), tuple(_role(kind, halves) for kind in gives))


def _role(kind: str | None, halves: set[str]) -> Precision | None:
    if kind is None:
        return None
    return "half" if kind in halves else "single"
