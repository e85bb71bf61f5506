"""Render synthetic scenes with road signs: the demo source's film and the demo network's training data."""

from mnv2_edge.scenes.film import DEFAULT_SIZE, FRAMES_PER_SIGN, render, true_class, true_label
from mnv2_edge.scenes.signs import SIGN_NAMES

__all__ = ["DEFAULT_SIZE", "FRAMES_PER_SIGN", "SIGN_NAMES", "render", "true_class", "true_label"]
