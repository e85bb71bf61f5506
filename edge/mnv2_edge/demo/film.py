"""The demo's endless film: one sign after another, each for a few frames, every frame with a known truth.

Any frame can be rendered on its own: all of its random numbers come from (seed, index). The truth comes from a hash,
not from numpy, so it is the same under every version of numpy and OpenCV; pixels may differ by rounding.
"""

from __future__ import annotations

import hashlib

import numpy as np

from mnv2_edge.demo.backdrop import Pixels, paint_backdrop
from mnv2_edge.demo.imaging import add_sensor_noise, blur, draw_pose, expose, light_scene
from mnv2_edge.demo.signpost import draw_sign, paint_pole, paint_sign
from mnv2_edge.demo.signs import SIGN_NAMES, sign_patches

FRAMES_PER_SIGN = 10
DEFAULT_SIZE = (320, 240)
"""Width and height in pixels: enough for a network that sees 96x96, and cheap beside it on a small board."""

_PAN = 0.03
"""How far the background moves while a sign is shown, in sides of the centred square."""


def true_class(seed: int, index: int) -> int:
    """Return the class id of the sign in a frame: each round of twelve signs shows every sign once, shuffled."""
    number, place = divmod(index // FRAMES_PER_SIGN, len(SIGN_NAMES))
    ranks = {
        class_id: hashlib.sha256(f"{seed}/{number}/{class_id}".encode()).digest() for class_id in range(len(SIGN_NAMES))
    }
    return sorted(ranks, key=ranks.__getitem__)[place]


def true_label(seed: int, index: int) -> str:
    """Return the name of the sign in a frame: for code that scores predictions, never for a source."""
    return SIGN_NAMES[true_class(seed, index)]


def render(seed: int, index: int, size: tuple[int, int] = DEFAULT_SIZE) -> Pixels:
    """Return frame `index` (from 0) of the film `seed` (not negative) as RGB uint8 of shape (height, width, 3).

    The same scene at another `size` (width, height) is the same picture in other pixels. The whole sign is inside the
    centred square.
    """
    number, step = divmod(index, FRAMES_PER_SIGN)
    progress = step / (FRAMES_PER_SIGN - 1)
    scene_rng = np.random.default_rng([seed, number])
    frame_rng = np.random.default_rng([seed, number, 1 + step])

    pixels = panned_backdrop(scene_rng, size, progress)
    _draw_sign(scene_rng, pixels, true_class(seed, index), progress)
    return take_picture(scene_rng, frame_rng, pixels)


def take_picture(scene_rng: np.random.Generator, frame_rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """Return what light, lens and sensor make of a painted scene."""
    pixels = light_scene(scene_rng, pixels)
    pixels = expose(scene_rng, pixels)
    pixels = blur(scene_rng, pixels)
    return add_sensor_noise(scene_rng.uniform(0.0, 14.0), frame_rng, pixels)


def panned_backdrop(rng: np.random.Generator, size: tuple[int, int], progress: float) -> Pixels:
    """Return the background, which moves a little while the scene is shown; `progress` goes from 0 to 1."""
    width, height = size
    margin = max(1, round(_PAN * min(size)))
    backdrop = paint_backdrop(rng, width + 2 * margin, height + 2 * margin)
    x, y = np.rint(margin * (1.0 + (2.0 * progress - 1.0) * rng.uniform(-1.0, 1.0, 2))).astype(int)
    return np.ascontiguousarray(backdrop[y : y + height, x : x + width])


def _draw_sign(rng: np.random.Generator, pixels: Pixels, class_id: int, progress: float) -> None:
    look = draw_sign(rng, draw_pose(rng, sign_patches(class_id)[0].outline))
    paint_pole(pixels, look, progress)
    paint_sign(pixels, class_id, look, progress)
