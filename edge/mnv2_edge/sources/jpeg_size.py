"""Tell how large a JPEG says that it is, before a decoder makes room for all of it."""

from typing import Final

__all__ = ["count_pixels"]

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; DHT, JPG and DAC lie between them
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RST0 to RST7, SOI: no length follows


def count_pixels(jpeg: bytes) -> int:
    """Return width times height as the frame header has it (ITU-T T.81, B.2.2); 0 when no header is found."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF or marker in _BARE:  # 0xff may be repeated in front of a marker
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = jpeg[at + 5 : at + 7], jpeg[at + 7 : at + 9]
            return int.from_bytes(height, "big") * int.from_bytes(width, "big")
        if marker == 0xDA:
            return 0
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return 0
