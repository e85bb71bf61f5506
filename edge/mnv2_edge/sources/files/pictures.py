"""The pictures of a folder, or a single one."""

import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mnv2_edge.errors import PictureError, SourceError, SourcePermissionError
from mnv2_edge.frames import Frame
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.decoding.picture import decode_picture
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_engines.errors import DiskError
from mnv2_engines.files.regular_file import read_start
from mnv2_engines.tensors import UInt8Array

__all__ = [
    "PICTURE_SUFFIXES",
    "PictureSource",
    "is_cut",
    "is_picture",
    "list_pictures",
    "read_picture",
    "read_picture_file",
    "walk_files",
]

_log = logging.getLogger(__name__)

PICTURE_SUFFIXES: Final = frozenset(
    {".bmp", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What a folder is searched for: what can be measured before it is decoded, and is in OpenCV's own wheels."""


def list_pictures(folder: Path) -> list[Path]:
    """Return the folder's pictures in natural order (`2.jpg` before `10.jpg`), without hidden files and subfolders."""
    found = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    return sorted(found, key=lambda path: (_natural(path.name), path.name))


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below it, in a fixed order, without hidden ones.

    Links to folders are not followed, since they may circle. Raises OSError for a folder that cannot be read.
    """

    def fail(exc: OSError) -> None:
        raise exc

    for place, below, names in os.walk(folder, onerror=fail):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def is_picture(path: Path) -> bool:
    """Return whether a file is a picture: by its name, else by its first bytes. A GIF counts as a video."""
    import cv2

    suffix = path.suffix.lower()
    return suffix in PICTURE_SUFFIXES or (suffix != ".gif" and cv2.haveImageReader(str(path)))


def read_picture(path: Path, limits: PictureLimits = DEFAULT_LIMITS) -> UInt8Array:
    """Return a picture as height x width x 3 of 8 bits in BGR, turned as its EXIF data asks.

    Grey is repeated, 16 bits lose the lower 8, transparency is dropped. Raises SourceError when it cannot be read, is
    not a picture, is larger than `limits`, or ends too early: decoders would fill the missing part with grey and say
    nothing.
    """
    data = read_picture_file(path, limits)
    if is_cut(data):
        raise SourceError(f"{path} ends in the middle of its picture ({len(data)} bytes): copy it again")
    try:
        return decode_picture(data, limits)
    except PictureError as exc:
        raise PictureError(f"{path} {exc}: `file {path}` tells what it is") from exc


def read_picture_file(path: Path, limits: PictureLimits) -> bytes:
    """Return what is in a picture's file. Raises SourceError when it cannot be read, or is larger than `limits`."""
    try:
        data = read_start(path, limits.file_bytes + 1)
    except PermissionError as exc:
        raise SourcePermissionError(f"{path} may not be read by this user: `ls -l {path}` shows who may") from exc
    except OSError as exc:
        raise SourceError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(data) > limits.file_bytes:
        raise PictureError(
            f"{path} is larger than {limits.file_bytes >> 20} MiB, the most that a picture of {limits.megapixels:g} "
            f"million pixels takes (max_megapixels): `ls -l {path}` tells its size"
        )
    return data


class PictureSource:
    """Source of each picture once, in order; `Frame.index` is its place in the list, unreadable ones counted.

    Flat out without a pacer. `lenient`: unreadable pictures are skipped; otherwise the first is read at once, so that
    opening fails. The first skipped one is named in a warning, the number of all of them in another at the end.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        source_id: str,
        pacer: Pacer | None,
        *,
        lenient: bool,
        limits: PictureLimits = DEFAULT_LIMITS,
    ) -> None:
        self._paths = paths
        self._source_id = source_id
        self._pacer = pacer
        self._limits = limits
        self._first = None if lenient else read_picture(paths[0], limits)
        self._skipped = 0
        self._closed = threading.Event()

    @property
    def live(self) -> bool:
        """Return True when it is paced like a camera."""
        return self._pacer is not None

    @property
    def endless(self) -> bool:
        """Return False: after the last picture it is over."""
        return False

    @property
    def skipped(self) -> int:
        """Count the files that hold no readable picture."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures in BGR until the last one or `close`."""
        for index, path in enumerate(self._paths):
            pixels = self._read(path)
            if pixels is None:
                continue
            captured_ns = self._pacer.wait() if self._pacer else time.monotonic_ns()
            if captured_ns is None or self._closed.is_set():
                return
            yield Frame(pixels, "BGR", index, captured_ns, self._source_id, path.name)
        if self._skipped:
            _log.warning("%s: %s of %s pictures could not be read", self._source_id, self._skipped, len(self._paths))

    def close(self) -> None:
        """End the iteration, also while it waits for its next moment."""
        self._closed.set()
        if self._pacer:
            self._pacer.stop()

    def _read(self, path: Path) -> UInt8Array | None:
        if self._first is not None:
            pixels, self._first = self._first, None
            return pixels
        try:
            return read_picture(path, self._limits)
        except (SourceError, DiskError) as exc:
            self._skipped += 1
            if self._skipped == 1:
                _log.warning("%s: skipped: %s (further ones are only counted)", self._source_id, exc)
            else:
                _log.debug("%s: skipped: %s", self._source_id, exc)
            return None


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Order digits by value and the rest by letter, whatever the case."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name.casefold())]


def is_cut(data: bytes) -> bool:
    """Return whether a JPEG or PNG lacks its end mark.

    In a JPEG's entropy-coded data 0xff is always followed by a zero, so the last start of scan (ff da) that has no end
    of image (ff d9) behind it was cut. Bytes after the end mark are not a fault: phones put films there.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return data.startswith(b"\x89PNG") and b"IEND" not in data
