"""Compose the demo's endless film: one sign after another, each for a few frames, every frame with a known truth.

Any frame can be rendered on its own: all of its random numbers come from (seed, index). The truth comes from a hash,
not from numpy, so it is the same under every version of numpy and OpenCV; pixels may differ by rounding.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from mnv2_edge.scenes.backdrop import Pixels, fill, paint_backdrop
from mnv2_edge.scenes.camera import Pose, add_sensor_noise, blur, draw_pose, expose, light_scene
from mnv2_edge.scenes.signs import SIGN_NAMES, sign_patches

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
    """Return the name of the sign in a frame: for whoever judges predictions, never for a source."""
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

    pixels = _panned_backdrop(scene_rng, size, progress)
    _draw_sign(scene_rng, pixels, true_class(seed, index), progress)
    pixels = light_scene(scene_rng, pixels)
    pixels = expose(scene_rng, pixels)
    pixels = blur(scene_rng, pixels)
    return add_sensor_noise(scene_rng.uniform(0.0, 14.0), frame_rng, pixels)


def _panned_backdrop(rng: np.random.Generator, size: tuple[int, int], progress: float) -> Pixels:
    width, height = size
    margin = max(1, round(_PAN * min(size)))
    backdrop = paint_backdrop(rng, width + 2 * margin, height + 2 * margin)
    x, y = np.rint(margin * (1.0 + (2.0 * progress - 1.0) * rng.uniform(-1.0, 1.0, 2))).astype(int)
    return np.ascontiguousarray(backdrop[y : y + height, x : x + width])


def _draw_sign(rng: np.random.Generator, pixels: Pixels, class_id: int, progress: float) -> None:
    height, width = pixels.shape[:2]
    side = min(height, width)
    patches = sign_patches(class_id)
    pose = draw_pose(rng, patches[0].outline)
    fading, tint = rng.uniform(0.0, 0.3), rng.uniform(-14.0, 14.0, 3)
    if rng.random() < 0.6:
        _draw_pole(rng, pixels, pose, progress)
    for patch in patches:
        outline = pose.project(patch.outline, progress) * side + (width / 2, height / 2)
        colour = np.array(patch.colour, dtype=np.float64)
        fill(pixels, outline, np.clip(colour + (150.0 - colour) * fading + tint, 0, 255))


def _draw_pole(rng: np.random.Generator, pixels: Pixels, pose: Pose, progress: float) -> None:
    """Draw a grey pole from the middle of the sign down, out of the picture."""
    height, width = pixels.shape[:2]
    half_width, grey = rng.uniform(0.04, 0.09), rng.uniform(60.0, 180.0)
    pole = np.array([(-half_width, 0.0), (half_width, 0.0), (half_width, 1.0), (-half_width, 1.0)])
    foot: NDArray[np.float64] = pose.project(pole, progress) * min(height, width) + (width / 2, height / 2)
    downward = foot[2:] - foot[[1, 0]]
    foot[2:] += downward * (2.0 * height / np.linalg.norm(downward))
    fill(pixels, foot, np.full(3, grey))
