"""A zip archive that may come from anywhere, of which no more is read than the file itself holds.

PyTorch and Keras store their members without compression. An archive that keeps to that cannot be a bomb: what it
unpacks to is as large as the file.
"""

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from mnv2_engines.errors import ModelError

__all__ = ["ZipArchive", "open_archive"]

_MAX_MEMBERS: Final = 50_000
_MAX_MEMBER_BYTES: Final = 1 << 29
_DAMAGE: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    EOFError,
    struct.error,
)
"""What zipfile raises on a damaged file, depending on where the damage is."""


class ZipArchive:
    """Reader of an archive's members, after its directory was checked. `open_archive` opens and closes it."""

    def __init__(self, path: Path, opened: zipfile.ZipFile) -> None:
        self._path = path
        self._zip = opened
        self._sizes = {info.filename: info.file_size for info in opened.infolist()}

    @property
    def names(self) -> tuple[str, ...]:
        """List the members."""
        return tuple(self._sizes)

    def size(self, name: str) -> int:
        """Return a member's size in bytes. Raises ModelError when it is not there."""
        if name not in self._sizes:
            raise ModelError(f"{self._path} lacks its part {name!r}: it is damaged; copy or save it again")
        return self._sizes[name]

    def read(self, name: str) -> bytes:
        """Return a member's bytes, whose checksum was compared. Raises ModelError."""
        if self.size(name) > _MAX_MEMBER_BYTES:
            raise ModelError(
                f"{self._path}: part {name!r} has {self.size(name)} bytes, more than any MobileNetV2 needs"
            )
        try:
            return self._zip.read(name)
        except (*_DAMAGE, OSError) as exc:
            raise ModelError(f"{self._path}: part {name!r} is damaged ({exc}): copy or save it again") from exc


@contextmanager
def open_archive(path: Path, file: IO[bytes]) -> Iterator[ZipArchive]:
    """Yield the archive in `file`, opened from `path`. Raises ModelError when it is damaged."""
    try:
        opened = zipfile.ZipFile(file)
    except (*_DAMAGE, OSError) as exc:
        raise ModelError(f"{path} is cut short or damaged ({exc}): copy or save it again") from exc
    with opened:
        _check_members(path, opened.infolist())
        yield ZipArchive(path, opened)


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > _MAX_MEMBERS:
        raise ModelError(f"{path} has {len(members)} parts: a weight file has at most {_MAX_MEMBERS}")
    packed = [info.filename for info in members if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1]
    if packed:
        raise ModelError(
            f"{path}: part {packed[0]!r} is compressed or encrypted, which PyTorch and Keras never do: it may be a zip "
            "bomb and is not unpacked; save the model again"
        )
    promised, held = sum(info.file_size for info in members), path.stat().st_size
    if promised > held:
        raise ModelError(f"{path} has {held} bytes and promises {promised}: its parts overlap; it is not unpacked")
