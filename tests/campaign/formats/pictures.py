"""Pictures in files: baseline and progressive JPEG, PNG with good checksums, WebP, TIFF, GIF, BMP."""

import random
import struct
from pathlib import Path

import cv2
import numpy as np

from campaign.mutators import mutate, png_with_good_checksums
from mnv2_edge.demo import render

_JPEG_SIZES = (1, 64, 5000, 9990, 30_000, 65_535)
_SIZES = (0, 1, 7, 5000, 9990, 30_000, 65_535, 2**31 - 1, 2**32 - 1)


def prepare(samples: Path) -> None:
    """Write the same scene in every format."""
    scene = cv2.cvtColor(render(8, 30), cv2.COLOR_RGB2BGR)
    scene = cv2.resize(scene, (160, 120))
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    for name, options in (
        ("base.jpg", []), ("prog.jpg", progressive), ("rst.jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]),
        ("p.png", []), ("p.webp", []), ("p.tiff", []), ("p.gif", []), ("p.bmp", []),
    ):  # fmt: skip
        cv2.imwrite(str(samples / name), scene, options)
    cv2.imwrite(str(samples / "p16.png"), scene.astype(np.uint16) * 257)
    cv2.imwrite(str(samples / "grey.jpg"), scene[:, :, 0])


def jpeg(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage a JPEG; one in four claims another size behind junk that a decoder skips."""
    raw = (samples / draw.choice(("base.jpg", "prog.jpg", "rst.jpg", "grey.jpg"))).read_bytes()
    (folder / "p.jpg").write_bytes(damaged_jpeg(draw, raw))
    return ["run", "--camera", "p.jpg", "--max-frames", "1", "--format", "jsonl"]


def damaged_jpeg(draw: random.Random, raw: bytes) -> bytes:
    """Return a JPEG with other bytes, another size, junk between its segments, or a segment more."""
    kind = draw.random()
    if kind < 0.25:
        raw = _claimed(raw, draw.choice(_JPEG_SIZES), draw.choice(_JPEG_SIZES))
    if kind < 0.45:
        place = draw.choice(_segments(raw) or [2])
        junk = draw.choice(
            (b"\0", b"\xff\xff\xff", draw.randbytes(9).replace(b"\xff", b"\xfe"), b"\xff\xd0", b"\0" * 70_000)
        )
        raw = raw[:place] + junk + raw[place:]
        if draw.random() < 0.7:
            return raw
    elif kind < 0.55:
        place = draw.choice(_segments(raw) or [2])
        body = draw.randbytes(draw.choice((0, 20, 3000)))
        more = (
            bytes([0xFF, draw.choice((0xE1, 0xE2, 0xFE, 0xC4, 0xDB, 0xDD, 0xC0))])
            + struct.pack(">H", len(body) + 2)
            + body
        )
        return raw[:place] + more + raw[place:]
    return mutate(draw, raw)


def others(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage a PNG, whose checksums are made good, or one of the rarer formats."""
    name = draw.choice(("p.png", "p.png", "p16.png", "p.webp", "p.tiff", "p.gif", "p.bmp"))
    file = samples / name
    raw = file.read_bytes() if file.exists() else (samples / "p.png").read_bytes()
    if name.endswith(".png") and draw.random() < 0.3:
        raw = raw[:16] + struct.pack(">II", draw.choice(_SIZES), draw.choice(_SIZES)) + raw[24:]
    else:
        raw = mutate(draw, raw)
    if name.endswith(".png"):
        raw = png_with_good_checksums(raw)
    (folder / name).write_bytes(raw)
    return ["run", "--camera", name, "--max-frames", "1", "--format", "jsonl"]


def _segments(raw: bytes) -> list[int]:
    """Return where the segments before the picture's data begin."""
    found, place = [], 2
    while place + 4 <= len(raw) and raw[place] == 0xFF and raw[place + 1] != 0xDA:
        found.append(place)
        place += 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
    return found


def _claimed(raw: bytes, height: int, width: int) -> bytes:
    for place in _segments(raw):
        if raw[place + 1] in {0xC0, 0xC1, 0xC2}:
            return raw[: place + 5] + struct.pack(">HH", height, width) + raw[place + 9 :]
    return raw
