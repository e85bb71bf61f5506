"""The class of every pixel in a form that fits into a record."""

import base64
import struct
import zlib

import numpy as np

from mnv2_engines.predictions import ClassMap, Mask
from mnv2_engines.tasks import MaskForm
from mnv2_engines.tasks.palette import voc_palette
from mnv2_engines.tensors import UInt8Array

__all__ = ["encode_mask", "palette_png", "run_lengths"]

_LEVEL = 4  # of zlib: areas are large and alike, more effort gains nothing


def encode_mask(class_map: ClassMap, form: MaskForm) -> Mask | None:
    """Return the mask in the form that was asked for; None for `none`."""
    if form == "none":
        return None
    height, width = class_map.pixels.shape
    if form == "rle":
        return Mask(width, height, class_map.box_px, runs=run_lengths(class_map.pixels))
    return Mask(width, height, class_map.box_px, png=base64.b64encode(palette_png(class_map.pixels)).decode("ascii"))


def run_lengths(pixels: UInt8Array) -> tuple[int, ...]:
    """Return value and number of pixels in turn, row by row, for as long as a value repeats."""
    flat = pixels.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    counts = np.diff(np.append(starts, flat.size))
    return tuple(np.stack([flat[starts], counts], axis=1).reshape(-1).tolist())


def palette_png(pixels: UInt8Array) -> bytes:
    """Return a PNG file whose pixel values are class ids, shown in VOC's colours, as VOC's own files are.

    OpenCV writes no palettes. Source: PNG specification (ISO/IEC 15948), colour type 3.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", voc_palette().tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
