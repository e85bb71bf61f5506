"""Synthetic scenes with road signs: the demo source's films and the demo networks' training data."""

from mnv2_edge.demo.film import DEFAULT_SIZE, FRAMES_PER_SIGN, render, true_class, true_label
from mnv2_edge.demo.signs import SIGN_NAMES
from mnv2_edge.demo.street import TrueSign, render_street, true_mask, true_signs

__all__ = [
    "DEFAULT_SIZE",
    "FRAMES_PER_SIGN",
    "SIGN_NAMES",
    "TrueSign",
    "render",
    "render_street",
    "true_class",
    "true_label",
    "true_mask",
    "true_signs",
]
