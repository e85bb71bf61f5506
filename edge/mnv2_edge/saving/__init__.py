"""Save pictures with what the network saw drawn into them."""

from mnv2_edge.saving.picture_folder import PictureFolder
from mnv2_edge.saving.saver import Saver

__all__ = ["PictureFolder", "Saver"]
