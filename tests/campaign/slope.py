"""Fit a line that single outliers do not move, and say how sure its slope is.

Theil-Sen: the median of the slopes of all pairs of points. The interval is Sen's (1968), from the spread of Kendall's
rank statistic, widened for samples that follow each other: neighbours in time are not independent witnesses, so
their number counts only as far as their autocorrelation lets it (Yue and Wang 2004).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MOST = 1500
"""More points are thinned: pairs are their square."""
_SURE = 1.959964
"""Of a normal distribution 95 % lie within so many standard deviations."""


@dataclass(frozen=True)
class Slope:
    """A slope with its 95 % interval, in units of y by units of x."""

    value: float
    low: float
    high: float

    @property
    def flat(self) -> bool:
        """Whether 0 lies within the interval."""
        return self.low <= 0 <= self.high


def theil_sen(x: Sequence[float], y: Sequence[float]) -> Slope:
    """Return the slope of y over x; x must grow."""
    step = max(1, math.ceil(len(x) / _MOST))
    xs, ys = np.asarray(x, float)[::step], np.asarray(y, float)[::step]
    if len(xs) < 3:
        raise ValueError(f"{len(xs)} points have no slope worth naming: expected 3 or more")
    first, second = np.triu_indices(len(xs), 1)
    slopes = np.sort((ys[second] - ys[first]) / (xs[second] - xs[first]))
    value = float(np.median(slopes))
    spread = math.sqrt(_variance(ys) * _correction(ys - value * xs))
    low = max(0, math.floor((len(slopes) - _SURE * spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + _SURE * spread) / 2))
    return Slope(value, float(slopes[low]), float(slopes[high]))


def _variance(ys: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """Return the variance of Kendall's statistic, ties considered."""
    n = len(ys)
    _, counts = np.unique(ys, return_counts=True)
    ties = float(np.sum(counts * (counts - 1) * (2 * counts + 5)))
    return max(0.0, (n * (n - 1) * (2 * n + 5) - ties) / 18)


def _correction(rest: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """Return by how much autocorrelation makes the variance greater than that of independent samples, 1 or more."""
    n = len(rest)
    rest = rest - rest.mean()
    power = float(rest @ rest)
    if power == 0:
        return 1.0
    total = 0.0
    for lag in range(1, n // 3):
        correlation = float(rest[:-lag] @ rest[lag:]) / power
        if correlation <= 0.05:
            break  # the rest is noise
        total += (1 - lag / n) * correlation
    return 1 + 2 * total
