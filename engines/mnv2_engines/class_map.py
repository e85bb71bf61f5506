"""Hold the class of every pixel that a network saw."""

from dataclasses import dataclass
from typing import Final

from mnv2_engines.predictions import Box
from mnv2_engines.tensors import UInt8Array

__all__ = ["UNSEEN", "ClassMap"]

UNSEEN: Final = 255
"""Stands for pixels without a class; VOC marks what nobody has labelled by it, too."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """Class ids, height x width, and where they belong."""

    pixels: UInt8Array
    """`UNSEEN` where the network has seen nothing. Belongs to whoever holds the map."""
    box_px: Box
    """The part of the whole upright picture that the map covers."""
