"""Limits of how large a compressed picture may be, for OpenCV as well."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from mnv2_edge.errors import UsageError

__all__ = ["DEFAULT_LIMITS", "DEFAULT_MEGAPIXELS", "MOST_MEGAPIXELS", "PictureLimits", "bound_opencv"]

DEFAULT_MEGAPIXELS: Final = 25.0
"""75 MB once decoded, with which a run stays below the 400 MiB of the service's unit."""
MOST_MEGAPIXELS: Final = 100.0
_LARGEST_STREAMED: Final = 16 * 1024 * 1024
_BOUNDS: Final = {"PIXELS": int(MOST_MEGAPIXELS * 1e6), "WIDTH": 1 << 20, "HEIGHT": 1 << 20}


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """How large a picture may be, and what follows from it for memory."""

    megapixels: float = DEFAULT_MEGAPIXELS

    @classmethod
    def read(cls, text: str) -> "PictureLimits":
        """Read what a user typed. Raises UsageError for what is not a number of 1 to 100."""
        try:
            limits = cls(float(text))
        except ValueError:
            limits = cls(0.0)
        if not 1.0 <= limits.megapixels <= MOST_MEGAPIXELS:
            raise UsageError(
                f"max_megapixels={text!r} is not a size of a picture: expected millions of pixels, 1 to "
                f"{MOST_MEGAPIXELS:g}, as in max_megapixels=48"
            )
        return limits

    @property
    def pixels(self) -> int:
        """Return how many pixels a picture may have."""
        return int(self.megapixels * 1e6)

    @property
    def decoding_bytes(self) -> int:
        """Return how much memory decoding may take: what a plain JPEG of so many pixels takes."""
        return 6 * self.pixels

    @property
    def file_bytes(self) -> int:
        """Return how large a picture's file may be: uncompressed, with four bytes a pixel and something beside."""
        return 4 * self.pixels + (1 << 20)

    @property
    def streamed_bytes(self) -> int:
        """Return how large a JPEG in a stream may be."""
        return max(_LARGEST_STREAMED, self.pixels * 2 // 3)

    def refusal(self, width: int, height: int) -> str:
        """Return what is wrong with a picture of more pixels; it follows the picture's name."""
        millions = width * height / 1e6
        shown = f"{millions:.0f}" if millions >= 100 else f"{millions:.1f}"
        return (
            f"of {width} x {height} pixels, {shown} million: at most {self.megapixels:g} million are "
            "decoded (max_megapixels)"
        )


DEFAULT_LIMITS: Final = PictureLimits()


def bound_opencv(environment: MutableMapping[str, str] | None = None) -> None:
    """Have OpenCV refuse pictures that no setting allows, in this process and in those that it starts.

    It reads that once, when it is imported: call this before. A lower bound that the user has set stays.
    """
    variables = os.environ if environment is None else environment
    for name, bound in _BOUNDS.items():
        variable = f"OPENCV_IO_MAX_IMAGE_{name}"
        own = variables.get(variable, "")
        if not (own.isdecimal() and 0 < int(own) <= bound):
            variables[variable] = str(bound)
