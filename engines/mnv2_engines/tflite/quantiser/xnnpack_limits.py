"""Ratios of scales inside the range that XNNPACK's kernels can compute.

An activation that is nearly always zero gets a tiny scale; a ratio out of range makes XNNPACK refuse the whole
delegate, and LiteRT 2.3 then crash. Coarser steps for such an activation cost nothing: it moves its readers by less
than one of theirs.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import TypeAlias

import numpy as np

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.graph import Node, Scales, Tensor
from mnv2_engines.tflite.operator import ScaleRule, Weighted
from mnv2_engines.tflite.operators.arithmetic import Mul
from mnv2_engines.tflite.quantiser.ranges import constant_scales
from mnv2_engines.tflite.quantiser.scale_groups import ScaleGroups

__all__ = ["LEAST_LEAK", "MAX_RATIO", "widen"]

MAX_RATIO = 64.0
"""XNNPACK converts by 2**-8 to 2**7 and adds by 2**-10 to 2**8: any two scales stay within this, room to spare."""
_PRODUCT_LOW, _PRODUCT_HIGH = 2.0**-15, 2.0**7
"""It multiplies with input scale * input scale / output scale from 2**-16 up to 2**8."""
LEAST_LEAK = 1.01 * 2.0**-8
"""It leaks with slope * input scale / output scale from 2**-8 on; `rewrite` sees to it."""
_WEIGHT_RATIO = 128.0
"""Convolutions take input scale * weight scale / output scale below 2**8."""
_ROUNDS = 8

_Demand: TypeAlias = "tuple[Tensor, float]"


def widen(
    nodes: Sequence[Node], groups: ScaleGroups, scales: MutableMapping[Tensor, Scales], fixed: frozenset[Tensor]
) -> None:
    """Raise scales (by group root) that are too small for the operators around them; those of `fixed` roots stay.

    Raises ModelError where fixed scales, which only a quantised file can bring, are out of all proportion.
    """
    unmet: list[tuple[Node, Tensor, float]] = []
    for _ in range(_ROUNDS):
        unmet = [(node, *demand) for node in nodes for demand in _demands(node, groups, scales)]
        if not unmet:
            return
        for node, tensor, least in unmet:
            root = groups.root(tensor)
            if root in fixed:
                raise ModelError(
                    f"node {node.origin!r}: scale {scales[root].scale[0]:g} of {tensor.name!r} is below {least:g}"
                )
            scales[root] = Scales.of(max(least * 1.001, float(scales[root].scale[0])), scales[root].zero_point)
    raise ModelError(f"the activations around node {unmet[0][0].origin!r} are of sizes that int8 cannot hold together")


def _demands(node: Node, groups: ScaleGroups, scales: Mapping[Tensor, Scales]) -> Iterator[_Demand]:
    """Yield each activation whose scale is too small for a node, and the smallest scale that it must have."""
    for tensor, least in _least_scales(node, groups, scales):
        if tensor.data is None and float(scales[groups.root(tensor)].scale[0]) < least:
            yield tensor, least


def _least_scales(node: Node, groups: ScaleGroups, scales: Mapping[Tensor, Scales]) -> Iterator[_Demand]:

    def scale(tensor: Tensor) -> float:
        if tensor.data is not None:
            return float(constant_scales(tensor.data).scale[0])
        return float(scales[groups.root(tensor)].scale[0])

    rule, output = node.operator.rule, node.outputs[0]
    if isinstance(node.operator, Weighted):
        weights = node.inputs[1].data
        largest = float(np.abs(weights).max()) / 127 if weights is not None else 0.0
        yield output, scale(node.inputs[0]) * largest / _WEIGHT_RATIO
    elif isinstance(node.operator, Mul):
        left, right = node.inputs
        product = scale(left) * scale(right)
        yield output, product / _PRODUCT_HIGH
        shortfall = _PRODUCT_LOW * scale(output) / product
        for tensor in (left, right):
            yield tensor, scale(tensor) * min(shortfall, 1e6) if shortfall > 1.0 else 0.0
    elif rule in {ScaleRule.OWN, ScaleRule.CLAMP}:
        for tensor in node.inputs:
            if tensor.dtype == "float32":
                yield output, scale(tensor) / MAX_RATIO
                yield tensor, scale(output) / MAX_RATIO
