"""Whether a classifier's output is probabilities or logits; a doubt is reported."""

import logging
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from mnv2_engines.errors import ContractError
from mnv2_engines.tensors import FloatArray, TensorSpec

__all__ = ["Scale", "detect_scale", "known_scale", "softmax"]

_log = logging.getLogger(__name__)

Scale: TypeAlias = Literal["probabilities", "logits"]

_PROBABILITIES: Final = frozenset({"SOFTMAX", "LOGISTIC", "SIGMOID"})
"""Operators whose outputs are scores from 0 to 1 already. TFLite calls the sigmoid LOGISTIC."""
_LOGITS: Final = frozenset(
    {"FULLYCONNECTED", "GEMM", "MATMUL", "BATCHMATMUL", "CONV", "CONV2D", "ADD", "MEAN", "REDUCEMEAN", "AVERAGEPOOL2D"}
    | {"GLOBALAVERAGEPOOL", "LOGSOFTMAX"}
)
"""Operators whose outputs are not: softmax belongs behind them (softmax of a log-softmax is the softmax)."""
_FIXED_SCALE: Final = 1 / 256
"""TFLite's quantisation of softmax and sigmoid outputs, as its operator specification fixes it: [0, 1) in 256 steps."""
_SUM_TOLERANCE: Final = 0.01  # float16 engines, 1000 classes
_ONE: Final = 1.0 + 1e-3


def known_scale(spec: TensorSpec, operator: str) -> Scale | None:
    """Tell from the network alone what its output is; None when that does not show."""
    name = operator.upper().replace("_", "")
    if name in _PROBABILITIES:
        return "probabilities"
    if name in _LOGITS:
        return "logits"
    quantization = spec.quantization
    if quantization is not None and abs(quantization.scale - _FIXED_SCALE) < 1e-9:
        lowest = {"uint8": 0, "int8": -128}.get(spec.dtype)
        if quantization.zero_point == lowest:
            return "probabilities"
    return None


def detect_scale(scores: FloatArray, operators: Sequence[str]) -> Scale:
    """Tell from the first frame's output what it is, and log it.

    Numbers from 0 on that add up to 1 are probabilities; a number below 0 or above 1 shows logits. Anything else could
    be either, with quite different results, and raises ContractError.
    """
    lowest, highest, total = float(scores.min()), float(scores.max()), float(scores.sum())
    what = f"lie between {lowest:.3g} and {highest:.3g} and add up to {total:.3g}"
    maker = f"made by {operators[0]}" if operators and operators[0] else "made by an operator that the backend hides"
    scale: Scale
    if lowest >= 0.0 and abs(total - 1.0) <= _SUM_TOLERANCE:
        scale = "probabilities"
    elif lowest < 0.0 or highest > _ONE:
        scale = "logits"
    else:
        raise ContractError(
            f"the network's output is {maker}; its first numbers {what}, which may be independent probabilities or "
            "logits: set `task: {softmax: true}` for logits, `false` for probabilities"
        )
    _log.info("the network's output is %s; its first numbers %s: taken as %s", maker, what, scale)
    return scale


def softmax(logits: FloatArray, peak: np.float32) -> FloatArray:
    """Return probabilities; `peak`, the largest logit, is taken off first, so that no exponential overflows."""
    with np.errstate(over="ignore"):  # farther than float32 goes: the exponential of minus infinity is 0
        exponentials = logits - peak
    np.exp(exponentials, out=exponentials)
    exponentials /= exponentials.sum()
    return exponentials
