"""One sign: its wear, the pole that it hangs on, and its patches in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnv2_edge.demo.backdrop import Pixels, fill
from mnv2_edge.demo.imaging import Pose
from mnv2_edge.demo.signs import sign_patches


@dataclass(frozen=True, slots=True)
class Pole:
    """A grey bar from the middle of the sign down, out of the picture."""

    half_width: float
    """In half-sizes of the sign."""
    grey: float


@dataclass(frozen=True, slots=True, eq=False)
class SignAppearance:
    """Pose, wear and colour of one sign, and its pole."""

    pose: Pose
    fading: float
    """0: as new, 1: all grey."""
    tint: NDArray[np.float64]
    """Added to every colour, RGB."""
    pole: Pole | None


def draw_sign(rng: np.random.Generator, pose: Pose) -> SignAppearance:
    """Return a random look of a sign in `pose`."""
    fading, tint = rng.uniform(0.0, 0.3), rng.uniform(-14.0, 14.0, 3)
    pole = Pole(rng.uniform(0.04, 0.09), rng.uniform(60.0, 180.0)) if rng.random() < 0.6 else None
    return SignAppearance(pose, fading, tint, pole)


def project(pixels: Pixels, pose: Pose, points: NDArray[np.float64], progress: float) -> NDArray[np.float64]:
    """Map points of the sign's plane to pixels of the picture, shape (n, 2)."""
    height, width = pixels.shape[:2]
    return np.asarray(pose.project(points, progress) * min(height, width) + (width / 2, height / 2), np.float64)


def paint_pole(pixels: Pixels, look: SignAppearance, progress: float) -> None:
    """Paint the pole, if there is one, in place."""
    if look.pole is None:
        return
    half_width = look.pole.half_width
    bar = np.array([(-half_width, 0.0), (half_width, 0.0), (half_width, 1.0), (-half_width, 1.0)])
    foot = project(pixels, look.pose, bar, progress)
    downward = foot[2:] - foot[[1, 0]]
    foot[2:] += downward * (2.0 * pixels.shape[0] / np.linalg.norm(downward))
    fill(pixels, foot, np.full(3, look.pole.grey))


def paint_sign(pixels: Pixels, class_id: int, look: SignAppearance, progress: float) -> None:
    """Paint the patches of the sign, in place."""
    for patch in sign_patches(class_id):
        colour = np.array(patch.colour, dtype=np.float64)
        worn = np.clip(colour + (150.0 - colour) * look.fading + look.tint, 0, 255)
        fill(pixels, project(pixels, look.pose, patch.outline, progress), worn)
