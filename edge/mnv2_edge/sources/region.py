"""A source of one part of the picture."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.sources import FrameSource

if TYPE_CHECKING:  # a frame needs numpy, reading a configuration does not
    from mnv2_edge.frames import Frame

__all__ = ["Region", "RegionSource"]


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the upright picture, in fractions of it or in pixels."""

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, numbers: tuple[float, float, float, float]) -> "Region":
        """Check left, top, width and height: fractions when none is above 1, else whole pixels. Raises UsageError."""
        region = cls(*numbers)
        if min(region.left, region.top) < 0 or min(region.width, region.height) <= 0:
            raise UsageError(
                f"the region {list(numbers)} is none: expected left, top, width, height, as in [0.25, 0, 0.5, 1]"
            )
        if region.in_fractions:
            if region.left + region.width > 1 or region.top + region.height > 1:
                raise UsageError(
                    f"the region {list(numbers)} reaches beyond the picture: expected left + width and top + height "
                    "of 1 at most"
                )
        elif any(number != int(number) for number in numbers):
            raise UsageError(
                f"the region {list(numbers)} mixes fractions and pixels: expected numbers of 1 at most, or whole ones"
            )
        return region

    @property
    def in_fractions(self) -> bool:
        """Return True when the numbers are shares of the picture."""
        return max(self.left, self.top, self.width, self.height) <= 1

    def box(self, width_px: int, height_px: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in a picture of this size.

        Raises SourceError when pixels that were asked for are not there: the camera granted another size.
        """
        across, down = (width_px, height_px) if self.in_fractions else (1, 1)
        left, top = round(self.left * across), round(self.top * down)
        right, bottom = round((self.left + self.width) * across), round((self.top + self.height) * down)
        if right > width_px or bottom > height_px:
            raise SourceError(
                f"the region {left},{top} to {right},{bottom} is not within the picture of {width_px}x{height_px}: "
                "give it in fractions, or ask the camera for another size"
            )
        left, top = min(left, width_px - 1), min(top, height_px - 1)
        return left, top, max(right, left + 1), max(bottom, top + 1)


class RegionSource:
    """Source of one rectangle of another source's frames, without a copy.

    It owns the other source: `close` closes that.
    """

    def __init__(self, source: FrameSource, region: Region) -> None:
        self._source = source
        self._region = region

    @property
    def live(self) -> bool:
        """Return what the other source says."""
        return self._source.live

    @property
    def endless(self) -> bool:
        """Return what the other source says."""
        return self._source.endless

    @property
    def skipped(self) -> int:
        """Return what the other source says."""
        return self._source.skipped

    def __iter__(self) -> "Iterator[Frame]":
        """Yield the other source's frames, cut. Raises SourceError when one is too small."""
        from mnv2_edge.frames import Cut

        for frame in self._source:
            height, width = frame.pixels.shape[:2]
            left, top, right, bottom = self._region.box(width, height)
            yield replace(frame, pixels=frame.pixels[top:bottom, left:right], cut=Cut(left, top, width, height))

    def close(self) -> None:
        """Close the other source."""
        self._source.close()
