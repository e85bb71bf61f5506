"""Reading of files that somebody else named: only regular files, and never more than such a file may hold.

A named pipe keeps whoever opens it waiting, a device such as /dev/zero never ends, and opening one may do something
(/dev/watchdog). Files of /proc say that they are empty and are not; others grow while they are read.
"""

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from mnv2_engines.files.disk_errors import disk_error

__all__ = [
    "CERTIFICATE_LIMIT",
    "ENGINE_LIMIT",
    "MODEL_LIMIT",
    "SETTINGS_LIMIT",
    "UnfitFileError",
    "decode_regular",
    "open_regular",
    "read_regular",
    "read_start",
    "require_regular",
    "require_replaceable",
]

ENGINE_LIMIT: Final = 256 << 20
"""Of an engine file, which is held in memory whole: a MobileNetV2 has 4 MiB, an FP32 plan of ResNet-50 has 100."""
MODEL_LIMIT: Final = 1 << 30
"""Of an ONNX or a weight file: a protobuf holds 2 GiB at most, and no network for these devices has half of that."""
CERTIFICATE_LIMIT: Final = 4 << 20
"""Of a file of certificates or a key: all authorities that a Debian knows have 220 KiB."""
SETTINGS_LIMIT: Final = 16 << 20
"""Of what describes a model, or is written by this program: manifests hold a golden picture and anchors, and with them
less than 1 MiB."""

_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PART_BYTES: Final = 1 << 20


class UnfitFileError(OSError):
    """A name of something that is not a regular file, or of a larger one than was expected; `strerror` says which."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EINVAL, why, str(path))


def require_regular(path: Path) -> os.stat_result:
    """Return what stat(2) says of a regular file, without opening it, for libraries that open files by their name.

    Raises UnfitFileError and IsADirectoryError for anything else, FileNotFoundError and other OSErrors as stat(2) does.
    """
    try:
        found = path.stat()
    except ValueError as exc:  # a null character in the name
        raise UnfitFileError(path, "no file can have this name") from exc
    _check_kind(path, found.st_mode)
    return found


def require_replaceable(path: Path) -> None:
    """Raise UnfitFileError when what would be written over is not a regular file: a device or a pipe."""
    try:
        require_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return


@contextmanager
def open_regular(path: Path, limit: int) -> Iterator[BinaryIO]:
    """Open a regular file of at most `limit` bytes for reading; links are followed.

    Raises what `require_regular` raises, at opening or, when the file grows beyond `limit`, at reading; DiskError when
    the disk fails.
    """
    descriptor, _ = _open(path, limit)
    with io.BufferedReader(_BoundedFile(path, descriptor, limit)) as file:
        yield file


def read_regular(path: Path, limit: int) -> bytes:
    """Return the whole content of a regular file of at most `limit` bytes. Raises what `open_regular` raises."""
    content = _read(path, limit, limit + 1)
    if len(content) > limit:
        raise _too_large(path, limit)
    return content


def read_start(path: Path, size: int) -> bytes:
    """Return at most the first `size` bytes of a regular file of any size. Raises what `open_regular` raises."""
    return _read(path, None, size)


def decode_regular(path: Path, limit: int, *, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return the text in a regular file. Raises what `open_regular` raises, and UnicodeDecodeError."""
    return read_regular(path, limit).decode(encoding, errors)


class _BoundedFile(io.FileIO):
    """Reader of one file up to a limit, for whatever asks for a file object."""

    def __init__(self, path: Path, descriptor: int, limit: int) -> None:
        super().__init__(descriptor, "rb")
        self._path = path
        self._limit = limit

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - io's own buffer type has a name since Python 3.12 alone
        try:
            with _explained(self._path):
                count = os.readv(self.fileno(), [buffer])
                position = self.tell()
        except BlockingIOError as exc:
            raise _nothing_to_read(self._path) from exc
        if position > self._limit:
            raise _too_large(self._path, self._limit)
        return count

    def readall(self) -> bytes:
        buffer, parts = bytearray(_PART_BYTES), []  # FileIO's own would not come by `readinto`
        while count := self.readinto(buffer):
            parts.append(bytes(buffer[:count]))
        return b"".join(parts)


def _read(path: Path, limit: int | None, size: int) -> bytes:
    descriptor, known = _open(path, limit)
    parts: list[bytes] = []
    left = size
    try:
        with _explained(path):
            while left > 0:
                part = os.read(descriptor, min(left, max(_PART_BYTES, known + 1)))
                if not part:
                    break
                parts.append(part)
                left -= len(part)
    except BlockingIOError as exc:
        raise _nothing_to_read(path) from exc
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _open(path: Path, limit: int | None) -> tuple[int, int]:
    """Return a descriptor and the size that the file states, which is 0 in /proc."""
    with _explained(path):
        require_regular(path)  # before opening, which may have an effect on what is not a file
        descriptor = os.open(path, _FLAGS)
    try:
        found = os.fstat(descriptor)
        _check_kind(path, found.st_mode)  # another one may have come in its place meanwhile
        _check_size(path, found.st_size, limit)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, found.st_size


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = next((kind for is_one, kind in _KINDS if is_one(mode)), "special file")
    hint = ": with `COMMAND >FILE` and FILE instead of `<(COMMAND)` it works" if kind == "pipe" else ""
    raise UnfitFileError(path, f"it is a {kind}, expected a regular file{hint}")


def _check_size(path: Path, size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise _too_large(path, limit)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        trouble = disk_error(exc, f"{path} cannot be read")
        if trouble is None:
            raise
        raise trouble from exc


def _too_large(path: Path, limit: int) -> UnfitFileError:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
    return UnfitFileError(path, f"it holds more than {size}, which no such file does")


def _nothing_to_read(path: Path) -> UnfitFileError:
    return UnfitFileError(path, "it gives nothing to read now, expected a regular file")
