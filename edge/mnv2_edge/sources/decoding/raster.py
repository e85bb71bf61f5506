"""Cost of decoding a BMP, PNM or WebP picture, by its header."""

import re
from typing import Final

from mnv2_edge.sources.decoding.header import PictureHeader, UnmeasuredError

__all__ = ["measure_bmp", "measure_pnm", "measure_webp"]

_GAP: Final = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])*"
_PNM: Final = re.compile(
    rb"P[1-6][ \t\r\n\v\f]" + _GAP + rb"(\d{1,9})[ \t\r\n\v\f]" + _GAP + rb"(\d{1,9})[ \t\r\n\v\f]"
)
_PNM_HEAD: Final = 4096

_WEBP_WORKING: Final = {b"VP8 ": 0, b"VP8L": 4, b"VP8X": 5}
"""Bytes a pixel besides the picture, by the name of the first chunk."""
_ANIMATED: Final = 0x02
_CORE_HEADER: Final = 12
_SHORTEST_INFO: Final = 36


def measure_bmp(data: bytes) -> PictureHeader:
    """Read BITMAPCOREHEADER, or BITMAPINFOHEADER and its successors; a negative height is a picture upside down."""
    kind = int.from_bytes(data[14:18], "little")
    if kind == _CORE_HEADER and len(data) >= 22:
        width, height = int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    elif _SHORTEST_INFO <= kind < 1 << 31 and len(data) >= 26:
        width = int.from_bytes(data[18:22], "little", signed=True)
        height = abs(int.from_bytes(data[22:26], "little", signed=True))
    else:
        raise UnmeasuredError("is a BMP with a damaged header")
    return _sized("BMP", width, height)


def measure_pnm(data: bytes) -> PictureHeader:
    """Read the two numbers after ``P1`` to ``P6``, between which may be comments."""
    found = _PNM.match(data[:_PNM_HEAD])
    if found is None:
        raise UnmeasuredError("is a PNM picture with a damaged header")
    return _sized("PNM", int(found[1]), int(found[2]))


def measure_webp(data: bytes) -> PictureHeader:
    """Read the first chunk of the container (RFC 9649, 2.5 to 2.7, 3.4; RFC 6386, 9.1). Refuses animations.

    Lossless pictures and those with transparency are unpacked to 4 bytes a pixel, lossless transparency to one more.
    """
    chunk, body = data[12:16], data[20:30]
    if chunk == b"VP8X" and len(body) == 10:
        if body[0] & _ANIMATED:
            raise UnmeasuredError("is an animated WebP, and a single picture was expected")
        width, height = int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    elif chunk == b"VP8L" and len(body) >= 5 and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) == 10:
        width, height = int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    else:
        raise UnmeasuredError("is a WebP with a damaged header")
    return _sized("WebP", width, height, _WEBP_WORKING[chunk])


def _sized(name: str, width: int, height: int, working: int = 0) -> PictureHeader:
    """Return a header; `working` is in bytes a pixel."""
    if width <= 0 or height <= 0:
        raise UnmeasuredError(f"is a {name} that does not say how large it is")
    return PictureHeader(name, width, height, working * width * height)
