"""Decoder of compressed pictures from anywhere: the one gate, which measures a picture before it makes room for it.

A JPEG of 20 kilobytes may say that it has 900 megapixels, and a decoder believes it. What may be decoded is therefore
known before: a format whose header is understood, not too many pixels, and not too much memory on the way.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from mnv2_edge.errors import PictureError
from mnv2_edge.sources.decoding.header import PictureHeader, UnmeasuredError
from mnv2_edge.sources.decoding.jpeg import measure_jpeg
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits, bound_opencv
from mnv2_edge.sources.decoding.raster import measure_bmp, measure_pnm, measure_webp
from mnv2_edge.sources.decoding.tiff import measure_tiff
from mnv2_engines.files.png_chunks import PNG_SIGNATURE, PngError, read_png
from mnv2_engines.tensors import UInt8Array

__all__ = ["decode_picture", "measure_picture"]

_Measure: TypeAlias = Callable[[bytes], PictureHeader]
_MEASURES: Final[tuple[tuple[tuple[bytes, ...], _Measure], ...]] = (
    ((b"\xff\xd8\xff",), measure_jpeg),
    ((b"BM",), measure_bmp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), measure_tiff),
    (tuple(b"P%d" % kind for kind in range(1, 7)), measure_pnm),
)
_NAMES: Final = "JPEG, PNG, WebP, TIFF, BMP or PNM"
_MIB: Final = 1 << 20
_NO_MEMORY: Final = -4  # OpenCV's StsNoMem


def decode_picture(data: bytes, limits: PictureLimits = DEFAULT_LIMITS) -> UInt8Array:
    """Return a picture as height x width x 3 of 8 bits in BGR, turned as its EXIF data ask.

    Raises PictureError, whose text follows the picture's name, when it is too large, damaged, cut, or of a format
    that cannot be measured. Nothing of its size is allocated before that is known.
    """
    header, data = measure_picture(data)
    _require(header, limits)
    bound_opencv()
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, MemoryError) as exc:
        raise PictureError(_explain(header, exc)) from exc
    if pixels is None:
        raise PictureError(f"is a {header.format} that OpenCV cannot decode: it is damaged")
    return np.asarray(pixels, np.uint8)


def measure_picture(data: bytes) -> tuple[PictureHeader, bytes]:
    """Return the picture's header, and what the decoder should be given of it. Raises PictureError."""
    try:
        if data.startswith(PNG_SIGNATURE):
            png = read_png(data)
            return PictureHeader("PNG", png.width, png.height), png.data
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return measure_webp(data), data
        if data[4:8] != b"ftyp":  # by which OpenCV knows AVIF, whatever is in front of it
            for signatures, measure in _MEASURES:
                if data.startswith(signatures):
                    return measure(data), data
    except (UnmeasuredError, PngError) as exc:
        raise PictureError(str(exc)) from exc
    raise PictureError(f"holds no picture that is read here ({len(data)} bytes): expected {_NAMES}")


def _explain(header: PictureHeader, error: Exception) -> str:
    """Say why OpenCV refuses a picture that the gate has let in."""
    size = f"{header.width} x {header.height}"
    why = str(getattr(error, "err", ""))
    if "MAX_IMAGE" in why:
        return f"is a {header.format} of {size} pixels, more than OPENCV_IO_MAX_IMAGE_PIXELS allows in the environment"
    if isinstance(error, MemoryError) or getattr(error, "code", 0) == _NO_MEMORY:
        needed = header.decoding_bytes // _MIB
        return f"is a {header.format} of {size} pixels, and the {needed} MiB to decode it are not there"
    return f"cannot be decoded: {why}"


def _require(header: PictureHeader, limits: PictureLimits) -> None:
    if header.pixels > limits.pixels:
        raise PictureError(f"is a {header.format} {limits.refusal(header.width, header.height)}")
    if header.decoding_bytes > limits.decoding_bytes:
        raise PictureError(
            f"is a {header.format} of {header.width} x {header.height} pixels that takes "
            f"{header.decoding_bytes // _MIB} MiB to decode: at most {limits.decoding_bytes // _MIB} are spent "
            "(max_megapixels); a plain JPEG takes less"
        )
