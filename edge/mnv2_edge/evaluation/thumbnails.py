"""Small pictures for a report."""

from typing import Final

import numpy as np

from mnv2_engines.evaluation.box_matching import BoxMatches
from mnv2_engines.predictions import Box
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tasks.class_map import voc_palette
from mnv2_engines.tensors import UInt8Array

__all__ = ["draw_areas", "draw_boxes", "draw_thumbnail"]

_SIDE_PX: Final = 224
_BOXED_SIDE_PX: Final = 384
_GREEN: Final = (80, 200, 80)
_YELLOW: Final = (0, 215, 255)
_MAGENTA: Final = (255, 0, 255)
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


def draw_boxes(pixels: UInt8Array, matches: BoxMatches) -> bytes:
    """Return a JPEG of a BGR picture: what is right in green, missed in thick yellow, not there in magenta."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, _BOXED_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.ascontiguousarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    for box, color, line in (
        *((Box(one.left, one.top, one.width, one.height), _YELLOW, 3) for one in matches.missed),
        *((one.box_px, _GREEN, 1) for one in matches.right),
        *((one.box_px, _MAGENTA, 2) for one in reversed(matches.extra)),
    ):
        corners = (box.left * scale, box.top * scale), (box.right * scale - 1, box.bottom * scale - 1)
        (x0, y0), (x1, y1) = ((round(x), round(y)) for x, y in corners)
        cv2.rectangle(small, (x0, y0), (max(x0, x1), max(y0, y1)), color, line)
    return _encode(small)


def _encode(picture: UInt8Array) -> bytes:
    import cv2

    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes() if done else b""
