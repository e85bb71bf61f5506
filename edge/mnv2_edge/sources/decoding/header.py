"""Cost of decoding a compressed picture, by its header alone."""

from dataclasses import dataclass

__all__ = ["PictureHeader", "UnmeasuredError"]


class UnmeasuredError(ValueError):
    """A picture whose size is not known before it is decoded; the text says why and follows the picture's name."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What a picture's header promises its decoder."""

    format: str
    """For people, e.g. ``JPEG``."""
    width: int
    """In pixels, before any turn that EXIF data ask for. So is the height."""
    height: int
    working_bytes: int = 0
    """What the decoder itself holds besides the picture of 3 bytes a pixel, as far as that grows with the picture."""

    @property
    def pixels(self) -> int:
        """Return width times height."""
        return self.width * self.height

    @property
    def decoding_bytes(self) -> int:
        """Return the memory that decoding takes at its peak.

        That is the picture in BGR with what the decoder holds, or two such pictures: OpenCV copies it for Python.
        """
        return 3 * self.pixels + max(self.working_bytes, 3 * self.pixels)
