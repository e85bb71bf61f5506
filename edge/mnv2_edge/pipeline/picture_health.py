"""Detection of a camera that sees nothing: it gives the same picture for ever, or only black ones.

A sensor's noise makes any two pictures of a real camera differ somewhere, so a coarse grid of their pixels is enough to
tell. What has no noise (a rendered film, a test pattern, a file) must not be watched.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mnv2_engines.tensors import UInt8Array

__all__ = ["Outage", "PictureFault", "PictureMonitor"]

_GRID_ROWS = 60  # and as many columns as fit: 4,800 pixels of a 640x480 picture, looked at in 50 us
_BLACK = 24
"""The brightest that a pixel of a black picture is: video black (16) and what is left of the noise."""
_BRIGHT_SHARE = 0.001  # of the grid may be brighter: hot pixels


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a camera gave no live picture; on the monotonic clock."""

    began_ns: int
    """When its last frame came, or when the run began."""
    ended_ns: int
    reason: str
    """Why it began."""
    recovered: bool
    """False: the run ended before the camera was back."""


@dataclass(frozen=True, slots=True)
class PictureFault:
    """Why a picture is not worth an inference."""

    kind: Literal["frozen", "black"]
    reason: str
    lasting: bool
    """It has been so for long enough to be told."""
    reopen: bool = False
    """It is time to open the camera again, which may help."""


class PictureMonitor:
    """Check of one camera's pictures, in order; used by one thread at a time.

    It remembers across a re-open: a camera that comes back with the very picture that it was frozen at is not back.
    A time of 0 switches that part off.
    """

    def __init__(self, *, frozen_s: float, black_s: float) -> None:
        self._frozen_s = frozen_s
        self._black_s = black_s
        self._last: UInt8Array | None = None
        self._same_since_ns = 0
        self._reopen_ns = 0
        self._black_since_ns: int | None = None

    def look(self, pixels: UInt8Array, now_ns: int) -> PictureFault | None:
        """Return what is wrong with the picture (height x width x 3); None when it is a live one."""
        if not self._frozen_s and not self._black_s:
            return None
        step = max(1, min(pixels.shape[:2]) // _GRID_ROWS)
        sample = pixels[::step, ::step].copy()
        return self._frozen(sample, now_ns) or self._black(sample, now_ns)

    def _frozen(self, sample: UInt8Array, now_ns: int) -> PictureFault | None:
        if not self._frozen_s:
            return None
        if self._last is None or not np.array_equal(sample, self._last):
            self._last = sample
            self._same_since_ns = now_ns
            self._reopen_ns = now_ns + int(self._frozen_s * 1e9)
            return None
        seconds = (now_ns - self._same_since_ns) / 1e9
        if seconds < self._frozen_s:
            return None
        reopen = now_ns >= self._reopen_ns
        if reopen:
            self._reopen_ns = now_ns + int(self._frozen_s * 1e9)
        return PictureFault(
            "frozen",
            f"the picture is frozen: not a pixel changed in {self._frozen_s:g} s (frozen_s: 0 allows that)",
            lasting=True,
            reopen=reopen,
        )

    def _black(self, sample: UInt8Array, now_ns: int) -> PictureFault | None:
        if not self._black_s:
            return None
        if np.count_nonzero(sample > _BLACK) > _BRIGHT_SHARE * sample.size:
            self._black_since_ns = None
            return None
        if self._black_since_ns is None:
            self._black_since_ns = now_ns
        lasting = now_ns - self._black_since_ns >= self._black_s * 1e9
        return PictureFault(
            "black",
            f"the picture has been black for {self._black_s:g} s: a covered lens, or no light (black_s: 0 allows that)",
            lasting=lasting,
        )
