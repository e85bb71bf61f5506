"""Small files that say that they are large."""

import struct
import zlib

import cv2
import numpy as np


def jpeg(width: int = 64, height: int = 48, *options: int) -> bytes:
    """Return a JPEG with something to see in it."""
    across, down = np.linspace(0, 255, width, dtype=np.uint8), np.linspace(0, 255, height, dtype=np.uint8)
    pixels = np.dstack(np.broadcast_arrays(across, down[:, None], np.uint8(90)))
    return bytes(cv2.imencode(".jpg", pixels, options)[1])


def jpeg_saying(width: int, height: int, junk: bytes = b"") -> bytes:
    """Return a JPEG whose header says so, with bytes between two segments that do not belong there."""
    whole = jpeg(16, 16)
    at = whole.index(b"\xff\xc0")
    return whole[:at] + junk + whole[at : at + 5] + struct.pack(">HH", height, width) + whole[at + 9 :]


def progressive_saying(width: int, height: int, *, scans: int = 1) -> bytes:
    """Return a progressive JPEG whose only scan, or all of them, are cut to nothing: everything else is zero."""
    tables = jpeg(16, 16)
    tables = b"".join(_segments(tables, {0xDB, 0xC4}))
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\1\x11\0\2\x11\1\3\x11\1"
    scan = b"\xff\xda" + struct.pack(">HB", 12, 3) + b"\1\0\2\x11\3\x11" + b"\0\0\0"
    refined = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\1\0" + b"\1\x3f\0"
    return b"\xff\xd8" + tables + frame + scan + b"\0" * 8 + (refined + b"\0" * 8) * (scans - 1) + b"\xff\xd9"


def _segments(whole: bytes, markers: set[int]) -> list[bytes]:
    found, at = [], 2
    while whole[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")
        found += [whole[at:end]] if whole[at + 1] in markers else []
        at = end
    return found


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of_zeros(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a PNG of one bit a pixel, all of them black, with `chunks` after its header."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    packed = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def text_bomb(mebibytes: int) -> bytes:
    """Return a chunk of text that unpacks to so much."""
    return png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(mebibytes << 20), 9))


def tiff(width: int, height: int, **tags: int) -> bytes:
    """Return a TIFF of 8-bit grey without data; `tags` are t273=8 and the like."""
    entries = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 1}
    entries |= {int(name[1:]): value for name, value in tags.items()}
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + bytes(4)


def bmp(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 1, 0)  # run lengths
    return b"BM" + struct.pack("<IHHI", 58, 0, 0, 58) + head + bytes(4) + b"\0\1"


def webp(width: int, height: int) -> bytes:
    """Return a lossless WebP that says so and holds nothing."""
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(16)
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
