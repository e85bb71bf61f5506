"""Rounding to FP16 that neither loses the smallest numbers nor overflows on the largest."""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mnv2_engines.tensors import TensorArray

__all__ = ["LARGEST", "SMALLEST", "HalfArray", "filters_to_half", "overflows", "to_half"]

HalfArray: TypeAlias = npt.NDArray[np.float16]

LARGEST: Final = 65504.0
"""(2 - 2**-10) * 2**15, the largest finite number of IEEE 754 binary16."""
SMALLEST: Final = 2.0**-24
"""The smallest positive one, a subnormal: 5.96e-8. NVIDIA's GPUs compute with subnormals at full speed."""


def overflows(array: TensorArray) -> bool:
    """Return whether a finite number would become infinite."""
    finite = np.abs(array[np.isfinite(array)])
    return bool(finite.size) and float(finite.max()) > LARGEST


def to_half(array: TensorArray) -> HalfArray:
    """Round to nearest, ties to even; finite stays finite, and what is not zero stays so: it may be divided by."""
    limited = np.where(np.isfinite(array), np.clip(array, -LARGEST, LARGEST), array)
    half = limited.astype(np.float16)
    vanished = (half == 0) & (array != 0)
    smallest = np.copysign(np.float16(SMALLEST), array.astype(np.float32)).astype(np.float16)
    return np.where(vanished, smallest, half).astype(np.float16)


def filters_to_half(array: TensorArray, axis: int) -> HalfArray:
    """Round so that each filter (all that has one index along `axis`) keeps its sum; within FP16's range.

    Every number becomes one of its two neighbours in FP16: not always the nearer one, but the one that makes up for
    what the rounding of larger ones before it has lost. What a filter sees is alike from pixel to pixel and, behind a
    ReLU6, never negative: errors that add up to nothing cancel there, and this costs nothing when the network runs.
    """
    filters = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).astype(np.float64)
    order = np.argsort(-np.abs(filters), axis=1, kind="stable")  # the finest steps come last
    exact = np.take_along_axis(filters, order, axis=1)
    near = to_half(exact)
    beyond = np.copysign(LARGEST, exact - near).astype(np.float16)
    far = np.where(near == exact, near, np.nextafter(near, beyond))
    chosen = _keep_sums(exact, near.astype(np.float64), far.astype(np.float64))
    np.put_along_axis(filters, order, chosen, axis=1)
    first = filters.reshape(array.shape[axis], *np.delete(array.shape, axis))
    return np.ascontiguousarray(np.moveaxis(first, 0, axis), np.float16)


_Double: TypeAlias = npt.NDArray[np.float64]


def _keep_sums(exact: _Double, near: _Double, far: _Double) -> _Double:
    """Return, row by row from left to right, whichever of two candidates leaves the row's sum least changed so far."""
    chosen: _Double = np.empty_like(exact.T, order="C")
    lost = np.zeros(len(exact))
    for index, (column, one, other) in enumerate(zip(exact.T.copy(), near.T.copy(), far.T.copy(), strict=True)):
        wanted = column + lost
        taken = np.where(np.abs(other - wanted) < np.abs(one - wanted), other, one)
        chosen[index] = taken
        lost = wanted - taken
    rows: _Double = chosen.T
    return rows
