"""The convex polygons that signs are cut from.

Everything lives in the sign's own plane: x to the right, y down, the sign inside the unit circle. Polygons are convex
because OpenCV fills those with smooth edges fastest, and because overlapping convex pieces never punch holes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]
"""Vertices in order, shape (n, 2): x, y."""

_GLYPHS: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "S": (
        (
            (1.0, 0.14),
            (0.75, 0.0),
            (0.25, 0.0),
            (0.0, 0.2),
            (0.2, 0.45),
            (0.8, 0.55),
            (1.0, 0.8),
            (0.75, 1.0),
            (0.25, 1.0),
            (0.0, 0.86),
        ),
    ),
    "T": (((0.0, 0.0), (1.0, 0.0)), ((0.5, 0.0), (0.5, 1.0))),
    "O": (
        (
            (0.3, 0.0),
            (0.7, 0.0),
            (1.0, 0.25),
            (1.0, 0.75),
            (0.7, 1.0),
            (0.3, 1.0),
            (0.0, 0.75),
            (0.0, 0.25),
            (0.3, 0.0),
        ),
    ),
    "P": (((0.0, 1.0), (0.0, 0.0), (0.7, 0.0), (1.0, 0.14), (1.0, 0.4), (0.7, 0.55), (0.0, 0.55)),),
    "3": (
        (
            (0.0, 0.1),
            (0.3, 0.0),
            (0.7, 0.0),
            (1.0, 0.2),
            (0.7, 0.47),
            (0.35, 0.47),
            (0.7, 0.47),
            (1.0, 0.75),
            (0.7, 1.0),
            (0.3, 1.0),
            (0.0, 0.9),
        ),
    ),
}
_GLYPHS["0"] = _GLYPHS["O"]


def regular_polygon(
    corners: int, radius: float, turn_deg: float = 0.0, centre: tuple[float, float] = (0.0, 0.0)
) -> Polygon:
    """Return a regular polygon whose first corner points up, then turned clockwise by `turn_deg`."""
    angles = np.arange(corners) * (2.0 * math.pi / corners) + math.radians(turn_deg - 90.0)
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], axis=1)


def disc(radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> Polygon:
    """Return a circle as a polygon fine enough for a sign that fills a 1080-line frame."""
    return regular_polygon(48, radius, centre=centre)


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Return an upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def polygon(*corners: tuple[float, float]) -> Polygon:
    """Return a polygon from its corners, which must be convex and in order."""
    return np.array(corners, dtype=np.float64)


def turned(shapes: Iterable[Polygon], turn_deg: float) -> list[Polygon]:
    """Return the shapes turned clockwise about the sign's centre."""
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    rotation = np.array([(cosine, sine), (-sine, cosine)], dtype=np.float64)
    return [shape @ rotation for shape in shapes]


def stroke(points: Iterable[tuple[float, float]], width: float) -> list[Polygon]:
    """Return a pen line through `points` as one quadrilateral per segment and a round joint at every point."""
    path = [np.array(point, dtype=np.float64) for point in points]
    pieces = [regular_polygon(12, width / 2, centre=(float(point[0]), float(point[1]))) for point in path]
    for start, end in pairwise(path):
        along = (end - start) / np.linalg.norm(end - start)
        across = np.array((-along[1], along[0])) * (width / 2)
        pieces.append(np.stack([start - across, end - across, end + across, start + across]))
    return pieces


def text(letters: str, left: float, top: float, right: float, bottom: float, width: float) -> list[Polygon]:
    """Return `letters` (of S T O P 3 0) written with a pen of `width` so that they fill the box.

    The gap between two letters is two pens wide.
    """
    advance = (right - left + 2 * width) / len(letters)
    glyph_width = advance - 3 * width
    glyph_height = bottom - top - width
    pieces: list[Polygon] = []
    for position, letter in enumerate(letters):
        x0, y0 = left + width / 2 + position * advance, top + width / 2
        for line in _GLYPHS[letter]:
            pieces += stroke([(x0 + x * glyph_width, y0 + y * glyph_height) for x, y in line], width)
    return pieces
