"""The film of streets: several signs at once, each with an outline that is known exactly.

Like the film of single signs, any frame can be rendered on its own. Truth and picture are computed apart: a source asks
for the picture alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnv2_edge.demo.backdrop import Pixels, fill
from mnv2_edge.demo.film import DEFAULT_SIZE, FRAMES_PER_SIGN, panned_backdrop, take_picture
from mnv2_edge.demo.imaging import draw_pose
from mnv2_edge.demo.signpost import SignAppearance, draw_sign, paint_pole, paint_sign, project
from mnv2_edge.demo.signs import SIGN_NAMES, sign_patches

_MOST = 4
_REACHES = (0.10, 0.24)
"""Half the size of a sign, in heights of the frame: 29 to 69 of the 144 rows that the demo networks see."""
_TRIES = 40
_FILM = 1
"""Sets these films apart from those of single signs with the same seed."""


@dataclass(frozen=True, slots=True, eq=False)
class TrueSign:
    """One sign in a frame."""

    class_id: int
    outline: NDArray[np.float64]
    """Corners of the whole sign, shape (n, 2): x and y as fractions of the frame's width and height."""

    @property
    def label(self) -> str:
        """Return the sign's name."""
        return SIGN_NAMES[self.class_id]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of the smallest box around it, as fractions of the frame."""
        (left, top), (right, bottom) = self.outline.min(axis=0), self.outline.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True, slots=True, eq=False)
class _Standing:
    class_id: int
    look: SignAppearance


def render_street(seed: int, index: int, size: tuple[int, int] = DEFAULT_SIZE) -> Pixels:
    """Return frame `index` (from 0) of the street film `seed` as RGB uint8 of shape (height, width, 3).

    One to four signs stand wholly in the picture and cover no part of each other. The same scene at another `size`
    (width, height) of the same shape is the same picture in other pixels.
    """
    number, progress = _moment(index)
    scene_rng = np.random.default_rng([seed, number, _FILM])
    frame_rng = np.random.default_rng([seed, number, _FILM, 1 + index % FRAMES_PER_SIGN])
    pixels = panned_backdrop(scene_rng, size, progress)
    signs = _signs(seed, number, size)
    for sign in signs:  # no pole may cover a sign
        paint_pole(pixels, sign.look, progress)
    for sign in signs:
        paint_sign(pixels, sign.class_id, sign.look, progress)
    return take_picture(scene_rng, frame_rng, pixels)


def true_signs(seed: int, index: int, size: tuple[int, int] = DEFAULT_SIZE) -> tuple[TrueSign, ...]:
    """Return the signs in a frame: for code that scores predictions, never for a source."""
    number, progress = _moment(index)
    width, height = size
    frame = np.empty((height, width, 3), np.uint8)  # only its shape is asked for
    return tuple(
        TrueSign(sign.class_id, project(frame, sign.look.pose, _outline(sign.class_id), progress) / (width, height))
        for sign in _signs(seed, number, size)
    )


def true_mask(seed: int, index: int, size: tuple[int, int] = DEFAULT_SIZE) -> Pixels:
    """Return what every pixel shows, uint8 (height, width): 0 is background, else class id + 1.

    A pixel is the sign's when at least half of it is covered.
    """
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    for sign in true_signs(seed, index, size):
        covered = np.zeros((height, width), np.uint8)
        fill(covered, sign.outline * (width, height), (255, 0, 0))
        mask[covered >= 128] = 1 + sign.class_id
    return mask


def _moment(index: int) -> tuple[int, float]:
    """Return the number of a frame's scene, and how far that has come, 0 to 1."""
    number, step = divmod(index, FRAMES_PER_SIGN)
    return number, step / (FRAMES_PER_SIGN - 1)


def _signs(seed: int, number: int, size: tuple[int, int]) -> tuple[_Standing, ...]:
    """Place the signs of a scene; which ones they are comes from a hash, as in the film of single signs."""
    width, height = size
    half_window = (width / min(size) / 2, height / min(size) / 2)
    rng = np.random.default_rng([seed, number, _FILM, 0])
    signs: list[_Standing] = []
    for place in range(int(rng.integers(1, _MOST + 1))):
        class_id = _class(seed, number, place)
        for _ in range(_TRIES):
            pose = draw_pose(rng, _outline(class_id), reaches=_REACHES, half_window=half_window)
            look = draw_sign(rng, pose)
            if all(_apart(look, other.look) for other in signs):
                signs.append(_Standing(class_id, look))
                break
    return tuple(signs)


def _apart(one: SignAppearance, other: SignAppearance) -> bool:
    """Return whether two signs keep clear of each other all the way, by the circles around them."""
    clear = 1.15 * (max(one.pose.reach) + max(other.pose.reach))
    return all(
        float(np.linalg.norm(here - there)) > clear
        for here, there in ((one.pose.start, other.pose.start), (one.pose.end, other.pose.end))
    )


def _class(seed: int, number: int, place: int) -> int:
    digest = hashlib.sha256(f"street/{seed}/{number}/{place}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % len(SIGN_NAMES)


def _outline(class_id: int) -> NDArray[np.float64]:
    return sign_patches(class_id)[0].outline
