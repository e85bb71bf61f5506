"""Pictures as they went into the compiler: one PNG, one picture below the other, every bit kept."""

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np

from mnv2_engines.errors import CorruptEngineError
from mnv2_engines.files.png_chunks import PngError, read_png
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.tensors import UInt8Array

__all__ = ["decode_strip", "encode_strip", "most_pictures", "spread_evenly"]

_Item = TypeVar("_Item")
_MOST_PIXELS: Final = 100_000_000
"""In one file, which OpenCV has to hold at once: 64 pictures of 1250 x 1250."""


def most_pictures(height: int, width: int) -> int:
    """Return how many pictures of that size one file may hold; at least one."""
    return max(1, _MOST_PIXELS // (height * width))


def encode_strip(pictures: Sequence[UInt8Array], color: ColorOrder) -> bytes:
    """Return pictures of one size, channels in the order of `color`, as a PNG that any viewer shows rightly."""
    import cv2

    strip = np.concatenate(pictures)
    done, png = cv2.imencode(".png", strip if color == "BGR" else cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"OpenCV cannot write a PNG of {strip.shape[1]} x {strip.shape[0]}")
    return png.tobytes()


def decode_strip(raw: bytes, count: int, height: int, width: int, color: ColorOrder) -> list[UInt8Array]:
    """Return the pictures that `encode_strip` was given.

    Raises CorruptEngineError when the file is not such a PNG; its size is looked at before anything is unpacked.
    """
    import cv2

    if count * height * width > _MOST_PIXELS:
        raise CorruptEngineError(f"{count} kept pictures of {width} x {height} are absurd: build the engine anew")
    try:
        png = read_png(raw)
    except PngError as exc:
        raise CorruptEngineError(f"the file of the kept pictures {exc}: build the engine anew") from exc
    if (png.height, png.width) != (count * height, width):
        raise CorruptEngineError(f"the kept pictures are not {count} of {width} x {height}: build the engine anew")
    try:
        strip = cv2.imdecode(np.frombuffer(png.data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        strip = None
    if strip is None or strip.shape != (count * height, width, 3):
        raise CorruptEngineError("the kept pictures cannot be read: build the engine anew")
    pixels = np.asarray(strip if color == "BGR" else cv2.cvtColor(strip, cv2.COLOR_BGR2RGB), np.uint8)
    return [pixels[start : start + height] for start in range(0, count * height, height)]


def spread_evenly(items: Sequence[_Item], limit: int) -> list[_Item]:
    """Return at most `limit` of the items, spread over all of them."""
    count = min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]
