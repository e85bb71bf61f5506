"""Cost of decoding a TIFF, by its first directory (TIFF 6.0, section 2; BigTIFF's is the same, but wider)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from mnv2_edge.sources.decoding.header import PictureHeader, UnmeasuredError

__all__ = ["measure_tiff"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 277, 278, 322, 323
_MEASURES: Final = frozenset({_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT})
_INTEGERS: Final = {3: 2, 4: 4}
"""SHORT and LONG, and their bytes."""
_COMPRESSIONS: Final = frozenset({1, 5, 8, 32773, 32946})
"""None, LZW, Deflate (twice), PackBits. What others unpack to is said by more than the directory."""
_MOST_ENTRIES: Final = 4096
_PLACE_BYTES: Final = 16
"""Where a strip or tile begins, and its length."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How wide the numbers of a directory are, and in which order their bytes."""

    order: Literal["little", "big"]
    first_at: int
    count_bytes: int
    offset_bytes: int

    def number(self, data: bytes, at: int, size: int) -> int:
        if at + size > len(data):
            raise UnmeasuredError("is a TIFF that was cut")
        return int.from_bytes(data[at : at + size], self.order)


def measure_tiff(data: bytes) -> PictureHeader:
    """Return what the first directory says. Raises UnmeasuredError for one that is damaged, or packed in a rare way."""
    tags: dict[int, int] = {}
    for tag, value in _entries(data):
        if tag in tags:
            raise UnmeasuredError("is a TIFF that says its size twice")
        tags[tag] = value
    bits = tags.get(_BITS, 1)
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    if not width or not height:
        raise UnmeasuredError("is a TIFF that does not say how large it is")
    if tags.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise UnmeasuredError("is a TIFF that is packed in a rare way: expected none, LZW, Deflate or PackBits")
    rows = min(tags.get(_ROWS_PER_STRIP, height), height)
    across, down = tags.get(_TILE_WIDTH, width), tags.get(_TILE_HEIGHT, rows)
    if not across or not down:
        raise UnmeasuredError("is a TIFF with empty parts")
    # The decoder has one strip or tile at a time, raw and, of what is neither grey nor RGB, as RGBA; and where all are.
    part = across * down * (tags.get(_SAMPLES, 1) * bits // 8 + 4)
    return PictureHeader("TIFF", width, height, part + _PLACE_BYTES * -(-width // across) * -(-height // down))


def _entries(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield tag and value of what says a size; of BitsPerSample the largest."""
    layout = _layout(data)
    entry_bytes = 4 + 2 * layout.offset_bytes
    at = layout.number(data, layout.first_at, layout.offset_bytes)
    count = layout.number(data, at, layout.count_bytes)
    if count > _MOST_ENTRIES:
        raise UnmeasuredError(f"is a TIFF with a directory of {count} entries")
    for entry in range(at + layout.count_bytes, at + layout.count_bytes + count * entry_bytes, entry_bytes):
        tag, kind = layout.number(data, entry, 2), layout.number(data, entry + 2, 2)
        if tag not in _MEASURES and tag != _BITS:
            continue
        values = layout.number(data, entry + 4, layout.offset_bytes)
        if kind not in _INTEGERS or not 1 <= values <= (64 if tag == _BITS else 1):
            raise UnmeasuredError(f"is a TIFF with a strange tag {tag}")
        size = _INTEGERS[kind]
        value_at = entry + 4 + layout.offset_bytes
        if values * size > layout.offset_bytes:
            value_at = layout.number(data, value_at, layout.offset_bytes)
        yield tag, max(layout.number(data, value_at + place * size, size) for place in range(values))


def _layout(data: bytes) -> _Layout:
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    if int.from_bytes(data[2:4], order) == 42:
        return _Layout(order, 4, 2, 4)
    return _Layout(order, 8, 8, 8)
