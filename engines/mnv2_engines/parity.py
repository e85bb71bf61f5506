"""Difference of two networks' outputs: noise, equal classes, and how certain a count is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from mnv2_engines.tensors import FloatArray, TensorArray

__all__ = ["Noise", "TopClasses", "clopper_pearson", "compare_classes"]

_CONFIDENCE: Final = 0.95
_LEAST_DB: Final = -100.0
_NEAR: Final = 0.1
_TIE_STEPS: Final = 2
_NEGLIGIBLE: Final = 1e-17


@dataclass(slots=True)
class Noise:
    """Sums of signal and error, picture by picture, in double precision."""

    signal: float = 0.0
    error: float = 0.0
    levels: list[float] = field(default_factory=list)
    """Of each picture that differs, in dB."""

    def add(self, expected: TensorArray, got: TensorArray) -> None:
        """Count one pair of arrays of one shape."""
        signal, error = _power(expected), _power(np.subtract(got, expected, dtype=np.float32))
        self.signal += signal
        self.error += error
        level = _decibels(signal, error)
        if level is not None:
            self.levels.append(level)

    @property
    def sqnr_db(self) -> float | None:
        """Return 10 log10(signal / error) of the sums over all pictures; None when there was no error."""
        return _decibels(self.signal, self.error)

    @property
    def mean_sqnr_db(self) -> float | None:
        """Return the mean over the pictures that differ of each one's own ratio in dB; None when none does."""
        return math.fsum(self.levels) / len(self.levels) if self.levels else None


@dataclass(frozen=True, slots=True, eq=False)
class TopClasses:
    """Per position (one for a classifier, each pixel for a segmenter) the top class of both networks; flat arrays."""

    expected: npt.NDArray[np.intp]
    got: npt.NDArray[np.intp]
    near_tie: npt.NDArray[np.bool_]
    """The reference's two best scores are too close to call."""

    @property
    def judged(self) -> int:
        """Count the positions that are not near ties."""
        return int(np.count_nonzero(~self.near_tie))

    @property
    def same(self) -> int:
        """Count the judged positions with the same class."""
        return int(np.count_nonzero((self.expected == self.got) & ~self.near_tie))


def compare_classes(expected: FloatArray, got: FloatArray, axis: int, step: float = 0.0) -> TopClasses:
    """Compare the best class along `axis`, which has at least two entries.

    A near tie: the reference's two best probabilities are within 10 % of each other, or its two best logits within 0.1,
    which is the same, or they are less than two steps of the engine's quantised output apart (`step`; 0 for a float
    one), which then are one score to it whatever it computes inside.
    """
    classes = expected.shape[axis]
    flat = np.moveaxis(expected, axis, -1).reshape(-1, classes)
    top = flat.argmax(axis=1)
    two_best = np.partition(flat, classes - 2, axis=1)[:, -2:]
    second, best = two_best[:, 0], two_best[:, 1]
    probabilities = bool(flat.min() >= 0.0) and bool(flat.max() <= 1.0)
    too_close = second > (1.0 - _NEAR) * best if probabilities else best - second < _NEAR
    other = np.moveaxis(got, axis, -1).reshape(-1, classes).argmax(axis=1)
    return TopClasses(top, other, too_close | (best - second < _TIE_STEPS * step))


def clopper_pearson(successes: int, trials: int) -> tuple[float, float]:
    """Return the two-sided 95 % confidence interval of a share.

    The exact interval of C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26 (1934): it never promises too much, which for a gate is the side to err on.
    """
    if trials == 0:
        return 0.0, 1.0
    tail = (1.0 - _CONFIDENCE) / 2.0
    low = 0.0 if successes == 0 else _solve(lambda share: _at_least(successes, trials, share) - tail)
    high = 1.0 if successes == trials else _solve(lambda share: _at_least(successes + 1, trials, share) - 1.0 + tail)
    return low, high


def _power(values: TensorArray) -> float:
    """Return the sum of squares, in double precision without a copy of a large layer."""
    flat = values.reshape(-1)
    return float(np.einsum("i,i->", flat, flat, dtype=np.float64))


def _decibels(signal: float, error: float) -> float | None:
    """Return the ratio in dB, at least -100 (JSON knows no infinity); None for no error."""
    if error == 0.0:
        return None
    if not math.isfinite(error):  # an output that overflowed
        return _LEAST_DB
    return max(_LEAST_DB, 10.0 * math.log10(signal / error)) if signal > 0.0 else _LEAST_DB


def _at_least(successes: int, trials: int, share: float) -> float:
    """Return the probability of at least so many successes; of the two tails the shorter one is added up."""
    if not 0.0 < share < 1.0:
        return float(share >= 1.0)
    if successes > share * trials:
        return _tail(range(successes, trials + 1), trials, share)
    return 1.0 - _tail(range(successes - 1, -1, -1), trials, share)


def _tail(counts: range, trials: int, share: float) -> float:
    """Add up the probabilities of these numbers of successes, of which the first is the likeliest."""
    log_p, log_q, log_all = math.log(share), math.log1p(-share), math.lgamma(trials + 1)
    total = 0.0
    for k in counts:
        orders = log_all - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        term = math.exp(orders + k * log_p + (trials - k) * log_q)
        total += term
        if term <= _NEGLIGIBLE * total:  # they fall ever faster from here on
            break
    return total


def _solve(rising: Callable[[float], float]) -> float:
    """Return where a function that rises from below 0 at 0 to above 0 at 1 crosses 0."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < 0.0 else (low, middle)
    return (low + high) / 2.0
