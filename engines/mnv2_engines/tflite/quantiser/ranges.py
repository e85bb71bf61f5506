"""The range that an int8 activation's 256 steps cover."""

import numpy as np

from mnv2_engines.tensors import FloatArray, TensorArray
from mnv2_engines.tflite.graph import Scales

__all__ = ["STEPS", "activation_scales", "constant_scales", "representable", "saturates", "search_range"]

STEPS = 255
LOWEST, HIGHEST = -128, 127
_SMALLEST_SCALE = 1e-8
"""Keeps the ratios that the kernels compute finite for an activation that is always zero."""
_SHRINKAGES = np.linspace(1.0, 0.5, 26)
_CLIPPING_WEIGHT = 32.0
"""Clipping errors all point the same way and hit the values that matter most, so they count more than rounding errors.

On two classifiers 2 to 64 measured alike and 1 worse (docs/quantisation.md); of those this one clips little, in favour
of pictures unlike the calibration's.
"""


def activation_scales(low: float, high: float) -> Scales:
    """Cover low to high, widened to hold zero exactly: padding and ReLU need it."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / STEPS, _SMALLEST_SCALE)
    zero_point = int(np.clip(np.round(LOWEST - low / scale), LOWEST, HIGHEST))
    return Scales.of(scale, zero_point)


def representable(scales: Scales) -> tuple[float, float]:
    """Return the smallest and the largest real that int8 holds under these scales."""
    scale = float(scales.scale[0])
    return (LOWEST - scales.zero_point) * scale, (HIGHEST - scales.zero_point) * scale


def saturates(scales: Scales, bounds: tuple[float, float]) -> bool:
    """Return whether int8 itself clamps to these bounds, to half a step."""
    low, high = representable(scales)
    half = float(scales.scale[0]) / 2
    return low >= bounds[0] - half and high <= bounds[1] + half


def constant_scales(data: TensorArray) -> Scales:
    """Cover a constant operand."""
    return activation_scales(float(data.min()), float(data.max()))


def search_range(low: float, high: float, samples: FloatArray) -> tuple[float, float]:
    """Shrink a range to where rounding and clipping together cost the least, on the samples."""
    if high <= low:
        return low, high
    # In double precision: the values may lie closer together than 2048 steps of a float32.
    counts, edges = np.histogram(samples.astype(np.float64), bins=2048, range=(low, high))
    if not counts.any():
        return low, high
    centres = (edges[:-1] + edges[1:]) / 2
    best, best_cost = (low, high), np.inf
    for shrinkage in _SHRINKAGES:
        candidate = (min(low, 0.0) * shrinkage, max(high, 0.0) * shrinkage)
        step = (candidate[1] - candidate[0]) / STEPS
        clipped = centres - np.clip(centres, *candidate)
        cost = float(_CLIPPING_WEIGHT * (counts * (clipped**2)).sum() / counts.sum() + step**2 / 12)
        if cost < best_cost:
            best, best_cost = candidate, cost
    return best
