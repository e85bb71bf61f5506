"""The class of every pixel of a picture, and a colour for every class."""

from dataclasses import dataclass

import numpy as np

from mnv2_engines.predictions import Box
from mnv2_engines.tensors import UInt8Array

__all__ = ["ClassMap", "voc_palette"]


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """Class ids, height x width, and where they belong."""

    pixels: UInt8Array
    """`UNSEEN` where the network has seen nothing. Belongs to the holder of the map."""
    box_px: Box
    """The part of the whole upright picture that the map covers."""


def voc_palette() -> UInt8Array:
    """Return the colours of the PASCAL VOC devkit (VOClabelcolormap.m): [256, 3], RGB; class 0 is black.

    Three bits of the class number at a time give the next lower bit of red, green and blue, so neighbours differ most.
    """
    classes = np.arange(256)
    colors = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((classes >> channel & 1) << (7 - bit)).astype(np.uint8)
        classes >>= 3
    return colors
