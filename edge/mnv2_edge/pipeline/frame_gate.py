"""Frames that need no inference are held back: above a rate, or of a scene in which nothing moves."""

from dataclasses import dataclass

import numpy as np

from mnv2_edge.frames import Frame
from mnv2_engines.tensors import FloatArray, UInt8Array

__all__ = ["FrameGate", "GateSettings"]

_SMALL_WIDTH_PX = 64
_SAMPLES = 4  # each way for one pixel of the small picture: enough against noise, and the same time at any size
_LEVELS = 12.0  # of 255: what a pixel of the small picture must differ by; sensor noise is averaged away in it
_LEARN_S = 10.0  # so long does something that stays take to become background
_HOLD_NS = 2_000_000_000  # after the last motion frames still pass, so that a pause does not cut a scene


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Which frames pass."""

    max_rate: float = 0.0
    """Frames per second at most; 0: no limit."""
    motion: float = 0.0
    """The share of the picture that must have changed, 0 to 1; 0: nothing need move."""


class FrameGate:
    """Decision per frame whether it passes, on the capture thread."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.limit = 0.0
        """Frames per second at most, besides the settings'; 0: no limit. Any thread may set it, at any time."""
        self._turn_ns: int | None = None
        self._background: FloatArray | None = None
        self._learned_ns = 0
        self._moved_ns: int | None = None

    @property
    def max_rate(self) -> float:
        """Return how many frames per second pass by the settings; 0: no limit."""
        return self._settings.max_rate

    def passes(self, frame: Frame) -> bool:
        """Return whether this frame is to be looked at."""
        return self._in_rate(frame.captured_ns) and self._moves(frame)

    def _in_rate(self, captured_ns: int) -> bool:
        """Count moments at the rate asked for, so that it is met on average whatever the camera's own is."""
        max_rate, limit = self._settings.max_rate, self.limit
        rate = min(max_rate, limit) if max_rate and limit else max_rate or limit
        if not rate:
            return True
        period_ns = round(1e9 / rate)
        if self._turn_ns is None:
            self._turn_ns = captured_ns
            return True
        late_ns = captured_ns - self._turn_ns - period_ns
        if late_ns < 0:
            return False
        self._turn_ns = captured_ns - late_ns if late_ns < period_ns else captured_ns
        return True

    def _moves(self, frame: Frame) -> bool:
        if not self._settings.motion:
            return True
        small = _small(frame.pixels)
        background = self._background
        if background is None or background.shape != small.shape:
            self._background, self._learned_ns, self._moved_ns = small, frame.captured_ns, frame.captured_ns
            return True
        changed = np.count_nonzero(np.abs(small - background) > _LEVELS) / small.size
        share = np.float32(min(1.0, (frame.captured_ns - self._learned_ns) / 1e9 / _LEARN_S))
        background += share * (small - background)
        self._learned_ns = frame.captured_ns
        if changed >= self._settings.motion:
            self._moved_ns = frame.captured_ns
        return self._moved_ns is not None and frame.captured_ns - self._moved_ns < _HOLD_NS


def _small(pixels: UInt8Array) -> FloatArray:
    """Return the picture in grey at 64 pixels width; each is the mean of 16 samples of what it covers."""
    import cv2

    height, width = pixels.shape[:2]
    small_width, small_height = _SMALL_WIDTH_PX, max(1, round(height * _SMALL_WIDTH_PX / width))
    sampled = (_SAMPLES * small_width, _SAMPLES * small_height)
    samples = cv2.resize(pixels, sampled, interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(samples, (small_width, small_height), interpolation=cv2.INTER_AREA)
    return np.asarray(np.mean(small, axis=2), np.float32)
