"""A colour for every class."""

import numpy as np

from mnv2_engines.tensors import UInt8Array

__all__ = ["voc_palette"]


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
