"""Render road signs into class folders, as a labelled data set has them."""

from pathlib import Path

import cv2

from mnv2_edge.demo import SIGN_NAMES, render, true_label

SIGNS = tuple(sorted(SIGN_NAMES))
"""In alphabetical order, as frameworks number class folders."""


def render_classes(folder: Path, *, count: int, seed: int, blur: float = 0.0) -> Path:
    """Write `count` signs, a multiple of twelve for as many of each; `blur` in pixels makes them hard to read."""
    for number in range(count):
        frame = 10 * number + number % 10
        pixels = render(seed, frame)
        if blur:
            pixels = cv2.GaussianBlur(pixels, (0, 0), blur)
        own = folder / true_label(seed, frame)
        own.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(own / f"{number:04d}.png"), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return folder
