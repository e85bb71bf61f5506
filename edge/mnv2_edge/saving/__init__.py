"""Saved pictures with the results drawn into them."""

from mnv2_edge.saving.picture_folder import PictureFolder
from mnv2_edge.saving.saver import Saver

__all__ = ["PictureFolder", "Saver"]
