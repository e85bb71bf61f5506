"""The sign's place before the lens, and the effects of light, lens and sensor on the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mnv2_edge.demo.backdrop import Pixels, fill

MAX_ROLL_DEG = 18.0
"""Small enough that an arrow to the left stays one, and a square never looks like a diamond."""

_MAX_TILT_DEG = 35.0
REACH = (0.17, 0.40)
"""Half the size of a sign, in sides of the centred square: 33 to 77 of the 96 pixels that the demo network sees."""
_DISTANCE = 4.0
"""From the lens to the sign, in half-sizes of the sign: how strong the perspective is."""
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Pose:
    """How a sign is turned, and its way across the picture while it is shown.

    Lengths are in sides of the centred square, positions count from its centre.
    """

    rotation: NDArray[np.float64]
    reach: tuple[float, float]
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    def project(self, points: NDArray[np.float64], progress: float) -> NDArray[np.float64]:
        """Map points of the sign's plane, shape (n, 2), into the picture; `progress` goes from 0 to 1."""
        reach = self.reach[0] + (self.reach[1] - self.reach[0]) * progress
        centre = self.start + (self.end - self.start) * progress
        return np.asarray(centre + reach * _perspective(self.rotation, points), dtype=np.float64)


def draw_pose(
    rng: np.random.Generator,
    outline: NDArray[np.float64],
    *,
    reaches: tuple[float, float] = REACH,
    half_window: tuple[float, float] = (0.5, 0.5),
) -> Pose:
    """Return a random pose that keeps `outline` (sign plane) inside a centred window all the way.

    `reaches` bounds half the size of the sign; `half_window` is half the window's width and height.
    """
    yaw, pitch = np.radians(rng.uniform(-_MAX_TILT_DEG, _MAX_TILT_DEG, 2)) * rng.random()
    roll = math.radians(rng.uniform(-MAX_ROLL_DEG, MAX_ROLL_DEG))
    rotation = _rotation(yaw, pitch, roll)
    reach = rng.uniform(*reaches)
    zoom = rng.uniform(0.92, 1.0)
    corners = reach * _perspective(rotation, outline)
    lowest = -np.array(half_window) + _MARGIN - corners.min(axis=0)
    highest = np.array(half_window) - _MARGIN - corners.max(axis=0)
    start = lowest + (highest - lowest) * rng.random(2)
    end = np.clip(start + rng.uniform(-0.06, 0.06, 2), lowest, highest)
    ends = (reach * zoom, reach) if rng.random() < 0.5 else (reach, reach * zoom)
    return Pose(rotation, ends, start, end)


def light_scene(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return the picture under uneven light: a gradient across it and, often, the edge of a shadow."""
    import cv2

    height, width = pixels.shape[:2]
    direction = rng.uniform(0, 2 * np.pi)
    strength = rng.uniform(0.0, 0.35)
    y, x = np.mgrid[-1:1:24j, -1:1:32j]
    light = 128.0 * (1.0 + strength * (x * math.cos(direction) + y * math.sin(direction)) / math.sqrt(2))
    plane = light.astype(np.float32)
    full = np.asarray(cv2.resize(plane, (width, height)), dtype=np.float32).astype(np.uint8)
    if rng.random() < 0.4:
        shade = rng.uniform(0.5, 0.85)
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
        across = np.array((math.cos(angle), math.sin(angle)))
        along = np.array((-across[1], across[0]))
        corners = [offset * across - 3 * along, offset * across + 3 * along]
        corners += [corners[1] + 3 * across, corners[0] + 3 * across]
        shadow = np.full((height, width), 255, dtype=np.uint8)
        outline = np.array(corners) * min(width, height) + (width / 2, height / 2)
        fill(shadow, outline, (round(255 * shade), 0, 0))
        full = np.asarray(cv2.multiply(full, shadow, scale=1 / 255), dtype=np.uint8)
    return np.asarray(cv2.multiply(pixels, cv2.cvtColor(full, cv2.COLOR_GRAY2RGB), scale=1 / 128), dtype=np.uint8)


def expose(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return the picture after exposure, white balance, contrast and gamma, as one table look-up."""
    import cv2

    level = np.linspace(0.0, 1.0, 256)
    gain = math.exp(rng.uniform(math.log(0.5), math.log(1.4)))
    white_balance = rng.uniform(0.88, 1.12, 3)
    gamma = math.exp(rng.uniform(-0.3, 0.3))
    haze = rng.uniform(0.0, 0.2) if rng.random() < 0.3 else 0.0
    tones = level[:, np.newaxis] ** gamma * gain * white_balance
    table = np.clip(tones * (1.0 - haze) + 0.7 * haze, 0.0, 1.0) * 255.0
    return np.asarray(cv2.LUT(pixels, table.astype(np.uint8)[np.newaxis]), dtype=np.uint8)


def blur(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return the picture as a lens out of focus or a moving camera would take it; one in three stays sharp."""
    import cv2

    kind, amount, angle = rng.random(), rng.random(), rng.uniform(0, np.pi)
    side = min(pixels.shape[:2])
    if kind < 0.33:
        return pixels
    if kind < 0.7:
        sigma = max(0.3, (0.001 + 0.009 * amount) * side)
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.uint8)
    length = max(1.0, (0.005 + 0.025 * amount) * side)
    return _motion_blur(pixels, length, angle)


def add_sensor_noise(strength: float, rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return the picture with noise of `strength` grey levels (standard deviation)."""
    import cv2

    if strength <= 0.0:
        return pixels
    height, width = pixels.shape[:2]
    tile = _noise_tile(height + 64, width + 64)
    top, left = rng.integers(0, 64, 2)
    noise = tile[top : top + height, left : left + width]
    weight = strength / _TILE_DEVIATION
    return np.asarray(cv2.addWeighted(pixels, 1.0, noise, weight, -128.0 * weight), dtype=np.uint8)


_TILE_DEVIATION = 32.0


@cache
def _noise_tile(height: int, width: int) -> Pixels:
    """Return normal noise about 128: drawing it anew for each frame would cost more than the rest of the rendering."""
    noise = np.random.default_rng(0).normal(128.0, _TILE_DEVIATION, (height, width, 3))
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8)


def _motion_blur(pixels: Pixels, length_px: float, angle: float) -> Pixels:
    import cv2

    size = 2 * math.ceil(length_px / 2) + 1
    kernel = np.zeros((size, size), dtype=np.float32)
    half = np.array((math.cos(angle), math.sin(angle))) * length_px / 2
    ends = np.rint((np.array((size // 2, size // 2)) + np.array((-half, half))) * 16).astype(int)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, lineType=cv2.LINE_8, shift=4)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), dtype=np.uint8)


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])
    about_x = np.array([(1, 0, 0), (0, cp, -sp), (0, sp, cp)])
    about_z = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)])
    return np.asarray(about_y @ about_x @ about_z, dtype=np.float64)


def _perspective(rotation: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    turned = points @ rotation[:, :2].T
    return np.asarray(turned[:, :2] * (_DISTANCE / (_DISTANCE + turned[:, 2:])), dtype=np.float64)
