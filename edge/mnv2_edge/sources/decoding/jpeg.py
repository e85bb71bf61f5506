"""Cost of decoding a JPEG: its markers are read in the way of the decoder.

The decoder is libjpeg-turbo, whatever the version of OpenCV. ITU-T T.81, annex B, says how a JPEG is laid out; what
libjpeg does with bytes that do not belong there is in its jdmarker.c: it skips to the next 0xff that no zero follows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mnv2_edge.sources.decoding.header import PictureHeader, UnmeasuredError

__all__ = ["MOST_SCANS", "measure_jpeg"]

MOST_SCANS: Final = 32
"""Encoders write ten, and each goes through the whole picture, however few bytes it has."""

_SOF, _DHT, _EOI, _SOS = frozenset({0xC0, 0xC1, 0xC2}), 0xC4, 0xD9, 0xDA
_PROGRESSIVE: Final = 0xC2
_OTHER_FRAMES: Final = frozenset(range(0xC3, 0xD0)) - {_DHT, 0xC8, 0xCC}
_TEM: Final = 0x01  # no length follows
_SEGMENTS: Final = frozenset({_DHT, 0xCC, *range(0xDB, 0xF0), 0xFE})
"""DHT, DAC, DQT to APP15, COM: a length follows, and so much is skipped."""
_WITH_LENGTH: Final = _SEGMENTS | _SOF | {_SOS}

_MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""RST0 to RST7 are passed over: no length follows them, and a picture may have thousands."""
_MOST_MARKERS: Final = 4096
"""In one picture. A colour profile takes up to 255, and a loop over millions would keep the processor from others."""
_BLOCK_BYTES: Final = 64 * 2
"""A block of 8 x 8 coefficients of 16 bits."""


@dataclass(frozen=True, slots=True)
class _Frame:
    progressive: bool
    width: int
    height: int
    factors: tuple[tuple[int, int], ...]
    """Of each component the horizontal and the vertical sampling factor."""

    def coefficient_bytes(self) -> int:
        """Return what all coefficients of all components take (T.81, A.2.4; jdcoefct.c rounds up to whole MCUs)."""
        most_h, most_v = (max(factor[axis] for factor in self.factors) for axis in (0, 1))
        across, down = -(-self.width // (8 * most_h)), -(-self.height // (8 * most_v))
        return sum(across * h * down * v for h, v in self.factors) * _BLOCK_BYTES


def measure_jpeg(data: bytes) -> PictureHeader:
    """Return what the frame header says. Raises UnmeasuredError for what libjpeg would refuse, or nobody writes.

    A picture whose data come in several scans is held whole as coefficients, two bytes each; another one goes through
    row by row.
    """
    frame: _Frame | None = None
    for marker, at in _markers(data, 2):
        if marker == _SOS and frame is not None:
            return _with_scans(data, at, frame)
        if marker in (_EOI, _SOS):
            break
        if marker in _SOF:
            if frame is not None:
                raise UnmeasuredError("is a JPEG with two frame headers")
            frame = _read_frame(data, marker, at)
        elif marker in _OTHER_FRAMES:
            raise UnmeasuredError("is a JPEG of a rare kind (lossless, arithmetic or hierarchical)")
        elif marker != _TEM and marker not in _SEGMENTS:
            raise UnmeasuredError(f"is a damaged JPEG (marker 0x{marker:02x} before its data)")
    raise UnmeasuredError("is a JPEG without picture data, or it was cut")


def _markers(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield each marker from `at` on, and where what follows it begins: a length, if it has one.

    Markers without a known meaning have none. Raises UnmeasuredError when they are too many.
    """
    for _ in range(_MOST_MARKERS):
        found = _MARKER.search(data, at)
        if found is None:
            return
        marker, at = found[1][0], found.end()
        yield marker, at
        if marker in _WITH_LENGTH:
            at = _after(data, at)
    raise UnmeasuredError(f"is a JPEG of more than {_MOST_MARKERS} parts")


def _with_scans(data: bytes, at: int, frame: _Frame) -> PictureHeader:
    """Return what a picture costs whose first scan has its header at `at`. Raises UnmeasuredError for many scans."""
    if not frame.progressive and data[at + 2 : at + 3] == bytes([len(frame.factors)]):
        return PictureHeader("JPEG", frame.width, frame.height)
    _limit_scans(data, at)
    return PictureHeader("JPEG", frame.width, frame.height, frame.coefficient_bytes())


def _read_frame(data: bytes, marker: int, at: int) -> _Frame:
    """Read a frame header (T.81, B.2.2), whose length begins at `at`."""
    head = data[at : at + 8]
    if len(head) < 8:
        raise UnmeasuredError("is a JPEG that was cut")
    length, precision, count = int.from_bytes(head[:2], "big"), head[2], head[7]
    height, width = int.from_bytes(head[3:5], "big"), int.from_bytes(head[5:7], "big")
    parts = data[at + 8 : at + 8 + 3 * count]
    if precision != 8:
        raise UnmeasuredError(f"is a JPEG of {precision} bits a sample, and 8 were expected")
    if not width or not height:
        raise UnmeasuredError("is a JPEG that does not say how large it is")
    factors = tuple((byte >> 4, byte & 15) for byte in parts[1::3])
    whole = length == 8 + 3 * count and len(parts) == 3 * count
    if not whole or not 1 <= count <= 4 or any(not 1 <= factor <= 4 for pair in factors for factor in pair):
        raise UnmeasuredError("is a JPEG with a damaged frame header")
    return _Frame(marker == _PROGRESSIVE, width, height, factors)


def _after(data: bytes, at: int) -> int:
    """Return where the segment ends whose length is at `at`; libjpeg reads the length even if it says less than 2."""
    return at + max(2, int.from_bytes(data[at : at + 2], "big"))


def _limit_scans(data: bytes, at: int) -> None:
    """Raise UnmeasuredError when the scans after the one whose header is at `at` are too many."""
    scans = 1
    for marker, _ in _markers(data, _after(data, at)):
        if marker == _EOI:
            return
        scans += marker == _SOS
        if scans > MOST_SCANS:
            raise UnmeasuredError(f"is a JPEG of more than {MOST_SCANS} scans, each of which costs time")
