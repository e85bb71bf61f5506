"""Draw small pictures for a report."""

from typing import Final

import numpy as np

from mnv2_engines.geometry import View
from mnv2_engines.palette import voc_palette
from mnv2_engines.tensors import UInt8Array

__all__ = ["draw_areas", "draw_thumbnail"]

_SIDE_PX: Final = 224
_DIM: Final = 0.35
_QUALITY: Final = 80


def draw_thumbnail(pixels: UInt8Array, view: View) -> bytes:
    """Return a JPEG of a BGR picture, about 8 kB; what lies outside of `view`, the network does not see, is dim."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    shown = (small * _DIM).astype(np.uint8)
    top, left = round(view.top * scale), round(view.left * scale)
    bottom, right = round((view.top + view.height) * scale), round((view.left + view.width) * scale)
    shown[top:bottom, left:right] = small[top:bottom, left:right]
    return _encode(shown)


def draw_areas(pixels: UInt8Array, truth: UInt8Array, found: UInt8Array) -> bytes:
    """Return a JPEG of a BGR picture, the true classes and those found, side by side, in VOC's colours."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    colors = voc_palette()[:, ::-1]
    maps = [colors[cv2.resize(classes, size, interpolation=cv2.INTER_NEAREST)] for classes in (truth, found)]
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _encode(np.hstack([small, *maps]))


def _encode(picture: UInt8Array) -> bytes:
    import cv2

    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes() if done else b""
