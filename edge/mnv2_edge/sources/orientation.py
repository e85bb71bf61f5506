"""Pictures turned upright, for a camera that hangs on its side or looks into a mirror."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from mnv2_edge.frames import Frame
from mnv2_edge.sources import FrameSource
from mnv2_engines.tensors import UInt8Array

__all__ = ["Flip", "OrientedSource", "Rotation", "orient"]

Rotation: TypeAlias = Literal[0, 90, 180, 270]
"""Degrees clockwise."""
Flip: TypeAlias = Literal["none", "horizontal", "vertical", "both"]
"""`horizontal` swaps left and right."""


def orient(pixels: UInt8Array, rotate: Rotation, flip: Flip) -> UInt8Array:
    """Return the picture turned clockwise, then mirrored.

    The result is contiguous and new; `pixels` itself when there is nothing to do.
    """
    import cv2

    if rotate:
        code = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}[rotate]
        pixels = np.asarray(cv2.rotate(pixels, code), np.uint8)
    if flip != "none":
        code = {"horizontal": 1, "vertical": 0, "both": -1}[flip]
        pixels = np.asarray(cv2.flip(pixels, code), np.uint8)
    return pixels


class OrientedSource:
    """Source that turns another source's frames upright, so that later parts need not know how the camera hangs.

    It owns the other source: `close` closes that.
    """

    def __init__(self, source: FrameSource, rotate: Rotation, flip: Flip) -> None:
        self._source = source
        self._rotate: Rotation = rotate
        self._flip: Flip = flip

    @property
    def live(self) -> bool:
        """Return what the other source says."""
        return self._source.live

    @property
    def endless(self) -> bool:
        """Return what the other source says."""
        return self._source.endless

    @property
    def skipped(self) -> int:
        """Return what the other source says."""
        return self._source.skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield the other source's frames, turned and mirrored."""
        for frame in self._source:
            yield replace(frame, pixels=orient(frame.pixels, self._rotate, self._flip))

    def close(self) -> None:
        """Close the other source."""
        self._source.close()
