"""One picture of a camera."""

from dataclasses import dataclass

from mnv2_engines.predictions import Box
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.tensors import UInt8Array

__all__ = ["Cut", "Frame"]


@dataclass(frozen=True, slots=True)
class Cut:
    """Position of a part in the whole picture, in pixels."""

    left: int
    top: int
    picture_width: int
    picture_height: int


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture and where it comes from."""

    pixels: UInt8Array
    """Height x width x 3. It belongs to the receiver of the frame: a source never writes to it again."""
    color: ColorOrder
    """Order of the three channels; OpenCV's captures are BGR."""
    index: int
    """Counts from 0 in the source, unreadable or dropped pictures included; goes on after a re-open."""
    captured_ns: int
    """`time.monotonic_ns()` as near to the sensor as the source allows."""
    source_id: str
    """The camera's name in records and topics."""
    picture: str = ""
    """Name of the picture's file; empty for a camera and a video."""
    cut: Cut | None = None
    """Of which part of the camera's upright picture the pixels are; None: all of it."""

    @property
    def picture_hw(self) -> tuple[int, int]:
        """Return height and width of the camera's upright picture in pixels."""
        if self.cut is not None:
            return self.cut.picture_height, self.cut.picture_width
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def region_px(self) -> Box | None:
        """Return the part of that picture that the pixels show; None: all of it."""
        if self.cut is None:
            return None
        height, width = self.pixels.shape[:2]
        return Box(float(self.cut.left), float(self.cut.top), float(width), float(height))

    def whole_view(self, view: View) -> View:
        """Return a view of these pixels as one of the whole picture."""
        cut = self.cut
        return view if cut is None else view.in_picture(cut.left, cut.top, cut.picture_width, cut.picture_height)
