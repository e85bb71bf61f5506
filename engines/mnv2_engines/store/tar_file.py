"""The archives that engines travel in: plain USTAR, and only the parts that all USTAR readers agree on.

`tarfile` reads far more than is expected here (links, devices, sparse files, headers that rename what follows), so it
only parses single headers; what is not a regular file under a plain name is refused before a byte of it is written.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from mnv2_engines.errors import ArchiveError
from mnv2_engines.files.regular_file import open_regular

__all__ = ["ARCHIVE_LIMIT", "SUMS", "archive_parts", "extract", "is_member_name", "write_archive"]

SUMS: Final = "SHA256SUMS"
"""The first member, as `sha256sum --check` reads it."""

_NAME: Final = re.compile(r"(?!source$)(source/)?[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""`source` itself would be in the way of what is in it."""
_SUM: Final = re.compile(r"([0-9a-f]{64})  (\S+)")
_MEMBERS: Final = 16
_SUMS_BYTES: Final = 1 << 14
ARCHIVE_LIMIT: Final = 1 << 30
"""Bytes of the files in an archive: an engine, its model and some hundred pictures have less than a tenth of it."""
_BLOCK: Final = tarfile.BLOCKSIZE
_PART_BYTES: Final = 1 << 20


def write_archive(stream: BinaryIO, files: Mapping[str, Path]) -> None:
    """Write files under the names they are to have, the same bytes for the same files whenever and by whom."""
    stream.writelines(archive_parts(files))


def archive_parts(files: Mapping[str, Path]) -> Iterator[bytes]:
    """Yield the bytes of an archive; the first piece is SHA256SUMS as a member.

    Signatures cover these very bytes (docs/decisions/0065): another order, mode or header would make all that were
    given so far worthless.
    """
    lines = [f"{_hash(path)}  {name}\n" for name, path in sorted(files.items())]
    sums = "".join(lines).encode("ascii")
    yield _header(SUMS, len(sums)) + sums + _padding(len(sums))
    for name, path in sorted(files.items()):
        size = path.stat().st_size
        yield _header(name, size)
        with open_regular(path, ARCHIVE_LIMIT) as file:
            while part := file.read(_PART_BYTES):
                yield part
        if size % _BLOCK:
            yield _padding(size)
    yield bytes(2 * _BLOCK)


def is_member_name(name: str) -> bool:
    """Tell whether an archive may hold a file of that name."""
    return _NAME.fullmatch(name) is not None


def extract(stream: BinaryIO, folder: Path) -> frozenset[str]:
    """Write the members of an archive below an empty folder, and return their names.

    Raises ArchiveError, which says what is wrong without naming the file, for anything but what `write_archive` makes,
    for bytes that are not those of the sums, for more than 1 GiB; OSError when something cannot be written.
    """
    members = _members(stream)
    name, size = next(members, ("", 0))
    if name != SUMS or size > _SUMS_BYTES:
        raise ArchiveError(f"does not begin with {SUMS}")
    sums = _read_sums(_exactly(stream, size))
    _skip_padding(stream, size)
    left = ARCHIVE_LIMIT
    found: set[str] = set()
    for name, size in members:
        left -= size
        if name not in sums or name in found:
            raise ArchiveError(f"holds {name!r} {'twice' if name in found else f'which {SUMS} does not name'}")
        if left < 0:
            raise ArchiveError(f"would unpack to more than {ARCHIVE_LIMIT >> 20} MiB")
        found.add(name)
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if _copy(stream, path, size) != sums[name]:
            raise ArchiveError(f"is damaged: the SHA-256 of {name} is not that of {SUMS}")
        _skip_padding(stream, size)
    if found != sums.keys():
        raise ArchiveError(f"is cut short: {', '.join(sorted(sums.keys() - found))} is missing")
    return frozenset(found)


def _members(stream: BinaryIO) -> Iterator[tuple[str, int]]:
    """Yield name and size of each member; the caller has to read each one, with its padding, before the next."""
    for _ in range(_MEMBERS):
        block = _exactly(stream, _BLOCK)
        if not any(block):
            _require_end(stream)
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as exc:
            raise ArchiveError(f"is not an archive of an engine ({exc})") from exc
        if header.type != tarfile.REGTYPE or not _NAME.fullmatch(header.name) or header.size < 0:
            raise ArchiveError(f"holds {header.name[:80]!r}, which is not a plain file of an engine")
        yield header.name, header.size
    raise ArchiveError(f"holds more than {_MEMBERS} files")


def _require_end(stream: BinaryIO) -> None:
    if any(_exactly(stream, _BLOCK)):
        raise ArchiveError("goes on behind its end")
    while part := stream.read(_PART_BYTES):
        if any(part):
            raise ArchiveError("goes on behind its end")


def _read_sums(raw: bytes) -> dict[str, str]:
    try:
        matches = [_SUM.fullmatch(line) for line in raw.decode("ascii").splitlines()]
    except UnicodeDecodeError as exc:
        raise ArchiveError(f"has a {SUMS} that is not text") from exc
    sums = {match[2]: match[1] for match in matches if match is not None}
    if len(sums) != len(matches) or not all(map(_NAME.fullmatch, sums)):
        raise ArchiveError(f"has a {SUMS} that is none")
    return sums


def _copy(stream: BinaryIO, path: Path, size: int) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)  # there are photographs
    with os.fdopen(descriptor, "wb") as file:
        while size:
            part = _exactly(stream, min(size, _PART_BYTES))
            digest.update(part)
            file.write(part)
            size -= len(part)
    return digest.hexdigest()


def _exactly(stream: BinaryIO, size: int) -> bytes:
    raw = stream.read(size)
    if len(raw) != size:
        raise ArchiveError("is cut short")
    return raw


def _skip_padding(stream: BinaryIO, size: int) -> None:
    _exactly(stream, -size % _BLOCK)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _header(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o644
    return header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path, ARCHIVE_LIMIT) as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
    return digest.hexdigest()
