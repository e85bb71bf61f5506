"""Chunks of a PNG, read without unpacking anything (PNG specification, 5.3 and 11.2).

Decoders unpack texts and colour profiles too, a thousand of eight megabytes each if a file of some kilobytes says so.
What does not make the picture is therefore left out before a decoder sees the file.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["PNG_SIGNATURE", "PngError", "PngPicture", "read_png"]

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEPT: Final = frozenset({b"tRNS", b"eXIf"})
"""Of what a decoder need not know: what is transparent, and how the camera was held."""
_ANCILLARY: Final = 0x20
_MOST_CHUNKS: Final = 1 << 16
"""Encoders make chunks of a few kilobytes."""


class PngError(ValueError):
    """A fault of a PNG; the text follows the name of the file."""


@dataclass(frozen=True, slots=True)
class PngPicture:
    """A PNG's size in pixels, and the file with nothing in it but the picture."""

    width: int
    height: int
    data: bytes


def read_png(data: bytes) -> PngPicture:
    """Return the picture. Raises PngError for a file that is damaged or cut; no checksum is looked at."""
    if not data.startswith(PNG_SIGNATURE):
        raise PngError("is not a PNG")
    chunks = list(itertools.islice(_chunks(data), _MOST_CHUNKS + 1))
    if len(chunks) > _MOST_CHUNKS:
        raise PngError(f"is a PNG of more than {_MOST_CHUNKS} chunks")
    names = [name for name, _, _ in chunks]
    head = chunks[0]
    if names[0] != b"IHDR" or head[2] - head[1] != 25 or names.count(b"IHDR") != 1:
        raise PngError("is a PNG with a damaged header")
    if names[-1] != b"IEND":
        raise PngError("is a PNG that was cut")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        raise PngError("is a PNG that does not say how large it is")
    kept = [(start, end) for name, start, end in chunks if not name[0] & _ANCILLARY or name in _KEPT]
    if len(kept) < len(chunks) or chunks[-1][2] < len(data):
        view = memoryview(data)
        data = b"".join([PNG_SIGNATURE, *(view[start:end] for start, end in kept)])
    return PngPicture(width, height, data)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, where it begins, and where the next one does; the last is IEND, or the last."""
    at = len(PNG_SIGNATURE)
    name = b""
    while name != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if at + 12 > len(data) or end > len(data):
            raise PngError("is a PNG that was cut")
        name = data[at + 4 : at + 8]
        yield name, at, end
        at = end
