"""Damage bytes, JSON trees and archives, each time in another way that a seed repeats."""

import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
_FORMS = ("<H", ">H", "<I", ">I", "<Q", ">Q", "<B")
_TEXT = (
    "",
    " ",
    "\0",
    "\n",
    "\x1b[31m",
    "../../../evil",
    "/tmp/evil",
    "~",
    "a" * 70_000,
    "nan",
    "inf",
    "-1",
    "1e999",
    "0",
    "\ud800",
    "{{7*7}}",
    "%s%n",
    "true",
    "null",
    "C:\\evil",
    "\u202e",
    "'",
    '"',
    "9" * 400,
    "-0",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**400,
    1e308,
    -1e308,
    0.5,
    [],
    {},
    [[]],
    [None] * 3,
    {"a": {}},
)


def mutate(draw: random.Random, raw: bytes) -> bytes:
    """Return `raw` after one to four damages: flips, edges in whole numbers, cuts, repeats, moves, junk."""
    data = bytearray(raw)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 4))):
        draw.choice(_DAMAGES)(draw, data)
    return bytes(data)


def _place(draw: random.Random, data: bytearray) -> int:
    """Prefer the ends, where formats have their headers and tables."""
    size = max(1, len(data))
    kind = draw.random()
    if kind < 0.4:
        return draw.randrange(min(size, 256))
    if kind < 0.55:
        return size - 1 - draw.randrange(min(size, 256))
    return draw.randrange(size)


def _flip(draw: random.Random, data: bytearray) -> None:
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        if data:
            data[_place(draw, data)] ^= 1 << draw.randrange(8)


def _overwrite(draw: random.Random, data: bytearray) -> None:
    if data:
        place = _place(draw, data)
        data[place : place + 1] = draw.randbytes(draw.choice((1, 1, 4, 16)))


def _edge(draw: random.Random, data: bytearray) -> None:
    form = draw.choice(_FORMS)
    size = struct.calcsize(form)
    place = _place(draw, data)
    if draw.random() < 0.5:
        place &= ~(size - 1)
    if place + size <= len(data):
        struct.pack_into(form, data, place, draw.choice(_EDGES) & ((1 << 8 * size) - 1))


def _nudge(draw: random.Random, data: bytearray) -> None:
    """Change a whole number a little, as a wrong length is."""
    form = draw.choice(_FORMS)
    size = struct.calcsize(form)
    place = _place(draw, data)
    if place + size <= len(data):
        (value,) = struct.unpack_from(form, data, place)
        struct.pack_into(form, data, place, (value + draw.choice((-1, 1, -8, 8, 256))) & ((1 << 8 * size) - 1))


def _cut(draw: random.Random, data: bytearray) -> None:
    del data[_place(draw, data) :]


def _remove(draw: random.Random, data: bytearray) -> None:
    place = _place(draw, data)
    del data[place : place + draw.choice((1, 2, 4, 16, 512))]


def _repeat(draw: random.Random, data: bytearray) -> None:
    place = _place(draw, data)
    piece = data[place : place + draw.choice((1, 4, 32, 512))]
    data[place:place] = piece * draw.choice((1, 2, 16))


def _splice(draw: random.Random, data: bytearray) -> None:
    if data:
        source, target = draw.randrange(len(data)), _place(draw, data)
        piece = data[source : source + draw.choice((4, 16, 64, 512))]
        data[target : target + len(piece)] = piece


def _insert(draw: random.Random, data: bytearray) -> None:
    place = _place(draw, data)
    data[place:place] = draw.choice((b"\0", b"\xff", b"\xff\xff\xff\xff", draw.randbytes(7), draw.randbytes(300)))


def _append(draw: random.Random, data: bytearray) -> None:
    data += draw.choice((b"\0" * 512, draw.randbytes(1024), bytes(data[:4096])))


def _blank(draw: random.Random, data: bytearray) -> None:
    place = _place(draw, data)
    size = min(len(data) - place, draw.choice((2, 8, 64, 1024)))
    data[place : place + size] = draw.choice((b"\0", b"\xff")) * size


_DAMAGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip,
    _flip,
    _overwrite,
    _edge,
    _edge,
    _nudge,
    _nudge,
    _cut,
    _remove,
    _repeat,
    _splice,
    _insert,
    _append,
    _blank,
)


def mutate_tree(draw: random.Random, tree: Any) -> Any:
    """Return a copy of JSON-like `tree` in which one to three places hold something else, are missing or doubled."""
    copy = json.loads(json.dumps(tree))
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(copy))
        if not places:
            break
        box, key = draw.choice(places)
        kind = draw.random()
        if kind < 0.15:
            del box[key]
        elif kind < 0.25 and isinstance(box, dict):
            box[draw.choice(_TEXT)] = box.pop(key)
        elif kind < 0.3 and isinstance(box, list):
            box[key:key] = [box[key]] * draw.choice((1, 3, 5000))
        elif kind < 0.5:
            other, name = draw.choice(places)
            box[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict) else other[name : name + 1]))
        elif isinstance(box[key], int | float) and not isinstance(box[key], bool) and kind < 0.75:
            box[key] = draw.choice((-box[key], box[key] + 1, box[key] * 1000, box[key] / 3, 0, *_EDGES))
        else:
            box[key] = draw.choice((*_VALUES, *_TEXT))
    return copy


def _places(tree: Any) -> "list[tuple[Any, Any]]":
    found: list[tuple[Any, Any]] = []
    left = [tree]
    while left:
        box = left.pop()
        inside = box.items() if isinstance(box, dict) else list(enumerate(box[:40]))
        for key, value in inside:
            found.append((box, key))
            if isinstance(value, dict | list):
                left.append(value)
    return found


def to_json(tree: Any) -> bytes:
    """Write a tree, also one with halves of surrogate pairs."""
    return json.dumps(tree).encode("ascii")


def mutate_tar(draw: random.Random, raw: bytes) -> bytes:
    """Return a tar archive with other names, kinds, sizes, orders or contents of its members."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for info in archive:
            file = archive.extractfile(info)
            members.append((info, file.read() if file else b""))
    for _ in range(draw.choice((1, 1, 2))):
        _damage_members(draw, members)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=draw.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) as archive:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            try:
                archive.addfile(info, io.BytesIO(content))
            except (ValueError, UnicodeError):
                continue  # this format cannot say it
    return out.getvalue()


def _damage_members(draw: random.Random, members: "list[tuple[tarfile.TarInfo, bytes]]") -> None:
    place = draw.randrange(len(members))
    info, content = members[place]
    match draw.randrange(7):
        case 0:
            info.name = draw.choice(
                ("../../evil", "/tmp/evil-of-a-bundle", "a/../../../evil", ".", "..", "x" * 300, "./.versions/evil")
            )
        case 1:
            info.type = draw.choice(
                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE)
            )
            info.linkname = draw.choice(("/etc/passwd", "../../..", "..", info.name, "/dev/zero"))
        case 2:
            members.append((info, mutate(draw, content)))
        case 3:
            del members[place]
            members.insert(0, (info, content))
        case 4:
            evil = tarfile.TarInfo("sources")
            evil.type, evil.linkname = tarfile.SYMTYPE, "../../.."
            members.insert(place, (evil, b""))
        case 5:
            info.mode = draw.choice((0, 0o7777, 0o4755))
            info.mtime = draw.choice((-1, 0, 2**40))
        case _:
            members[place] = (info, mutate(draw, content))


def png_with_good_checksums(raw: bytes) -> bytes:
    """Set the CRC of every chunk of a damaged PNG right, so that a reader goes on to what is inside."""
    data, place = bytearray(raw), 8
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        end = place + 8 + size
        if end + 4 > len(data):
            break
        struct.pack_into(">I", data, end, zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)
