"""The background of a sign: ground, walls, foliage, buildings and clutter.

Random numbers are drawn in units of the frame, never of its pixels, so a scene is the same scene at every size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_SUBPIXEL_BITS = 4


def paint_backdrop(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Return a random background, RGB uint8 of shape (height, width, 3)."""
    style = rng.random()
    if style < 0.4:
        pixels = _street(rng, width, height)
    elif style < 0.75:
        pixels = _texture(rng, width, height)
    else:
        pixels = _wall(rng, width, height)
    _scatter_clutter(rng, pixels)
    return pixels


def fill(pixels: Pixels, outline: NDArray[np.float64], colour: NDArray[np.float64] | tuple[int, int, int]) -> None:
    """Fill a convex polygon, given in pixels, with smooth edges and to a sixteenth of a pixel, in place."""
    import cv2

    corners = np.rint((outline - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    red, green, blue = (float(value) for value in colour)
    cv2.fillConvexPoly(pixels, corners, (red, green, blue), lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)


def value_noise(rng: np.random.Generator, width: int, height: int, cells: int) -> Pixels:
    """Return smooth grey noise with about `cells` random values across the frame, uint8 (height, width)."""
    import cv2

    grid = rng.integers(0, 256, (cells, cells), dtype=np.uint8)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _texture(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Blend three octaves of noise between two colours: foliage, clouds, stained concrete."""
    import cv2

    coarse = value_noise(rng, width, height, int(rng.integers(3, 7)))
    middle = value_noise(rng, width, height, int(rng.integers(10, 24)))
    fine = value_noise(rng, width, height, int(rng.integers(30, 80)))
    grey = cv2.addWeighted(cv2.addWeighted(coarse, 0.55, middle, 0.45, 0), 0.7, fine, 0.3, 0)
    dark, light = _colour(rng), _colour(rng)
    ramp = np.linspace(dark, light, 256).astype(np.uint8)[np.newaxis]
    return np.asarray(cv2.LUT(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), ramp), dtype=np.uint8)


def _gradient(top: NDArray[np.float64], bottom: NDArray[np.float64], width: int, height: int) -> Pixels:
    import cv2

    column = np.linspace(top, bottom, height).astype(np.uint8)[:, np.newaxis]
    return np.asarray(cv2.resize(column, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def _street(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Paint a sky, a row of buildings or trees, and the ground."""
    horizon = rng.uniform(0.4, 0.85)
    sky = np.array([rng.uniform(90, 215), rng.uniform(130, 225), rng.uniform(170, 250)])
    pixels = _gradient(sky * rng.uniform(0.6, 1.0), sky, width, height)
    left = -0.1
    while left < 1.0:
        right = left + rng.uniform(0.08, 0.35)
        top = horizon - rng.uniform(0.05, 0.45)
        box = _scaled([(left, top), (right, top), (right, horizon + 0.02), (left, horizon + 0.02)], width, height)
        colour = _colour(rng) * 0.8
        fill(pixels, box, colour)
        if rng.random() < 0.6:
            _windows(rng, pixels, (left, top, right, horizon), colour * rng.uniform(0.3, 0.8))
        left = right + rng.uniform(-0.05, 0.1)
    ground = np.full(3, rng.uniform(50, 150)) + rng.uniform(-20, 20, 3)
    y = round(horizon * height)
    pixels[y:] = _gradient(ground, ground * rng.uniform(0.5, 0.9), width, max(1, height - y))[: height - y]
    return pixels


def _windows(
    rng: np.random.Generator, pixels: Pixels, box: tuple[float, float, float, float], colour: NDArray[np.float64]
) -> None:
    left, top, right, bottom = box
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    cell_width, cell_height = (right - left) / columns, (bottom - top) / rows
    height, width = pixels.shape[:2]
    for column in range(columns):
        for row in range(rows):
            x, y = left + (column + 0.25) * cell_width, top + (row + 0.25) * cell_height
            x0, x1 = (max(0, round(edge * width)) for edge in (x, x + cell_width / 2))
            y0, y1 = (max(0, round(edge * height)) for edge in (y, y + cell_height / 2))
            pixels[y0:y1, x0:x1] = colour


def _wall(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Paint a stained wall, sometimes with courses of bricks or planks."""
    import cv2

    base, stain = _colour(rng), value_noise(rng, width, height, int(rng.integers(4, 40)))
    plain = _gradient(base, base * rng.uniform(0.6, 1.0), width, height)
    pixels = np.asarray(cv2.addWeighted(plain, 0.8, cv2.cvtColor(stain, cv2.COLOR_GRAY2RGB), 0.2, 0), dtype=np.uint8)
    if rng.random() < 0.6:
        joint = base * rng.uniform(0.5, 1.3)
        courses, bricks = int(rng.integers(4, 14)), int(rng.integers(0, 8))
        line = max(1, round(0.006 * height))
        for course in range(1, courses):
            y = round(course * height / courses)
            pixels[y : y + line] = np.clip(joint, 0, 255)
            for brick in range(bricks):
                x = round((brick + 0.5 * (course % 2)) * width / bricks)
                pixels[y : y + height // courses, x : x + line] = np.clip(joint, 0, 255)
    return pixels


def _scatter_clutter(rng: np.random.Generator, pixels: Pixels) -> None:
    """Add up to ten plain bars, boxes, triangles and blobs in any colour: things that are not signs."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    for _ in range(int(rng.integers(0, 11))):
        corners = int(rng.choice([3, 4, 4, 5, 16]))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners < 16 else np.arange(16) * (np.pi / 8)
        reach = rng.uniform(0.02, 0.16, 2) * side
        centre = rng.uniform(0, 1, 2) * (width, height)
        fill(pixels, centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach, _colour(rng))


def _colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a colour: mostly a muted one, as most things are."""
    colour = rng.uniform(20, 245, 3)
    if rng.random() < 0.8:
        colour = colour.mean() + (colour - colour.mean()) * rng.uniform(0.1, 0.6)
    return np.asarray(colour, dtype=np.float64)


def _scaled(corners: list[tuple[float, float]], width: int, height: int) -> NDArray[np.float64]:
    return np.array(corners, dtype=np.float64) * (width, height)
