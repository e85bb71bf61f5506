"""Take the label file out of a zip: of a Teachable Machine export, or of one appended to a .tflite flatbuffer.

TFLite's metadata keeps associated files in a zip behind the flatbuffer; zipfile reads that as it reads any archive with
something in front of it.
"""

import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from mnv2_engines.errors import LabelsError
from mnv2_engines.regular_file import MODEL_LIMIT, open_regular

__all__ = ["find_member"]

_END: Final = b"PK\x05\x06"  # end of central directory record
_TAIL_BYTES: Final = 22 + 65_535  # the record and the longest comment
_DIRECTORY_LIMIT_BYTES: Final = 1 << 20
_SUFFIXES: Final = frozenset({".txt", ".csv", ".json"})
_BROKEN: Final = (
    zipfile.BadZipFile,
    NotImplementedError,  # a compression method or version that zipfile does not know
    RuntimeError,  # encrypted
    ValueError,
    EOFError,
    zlib.error,
    struct.error,
    OSError,
)


def find_member(path: Path, limit_bytes: int) -> tuple[str, bytes] | None:
    """Return name and content of the one label file in the archive; None when there is no archive or no label file.

    Nothing is unpacked to disk, and at most `limit_bytes` to memory. Raises LabelsError for an archive that is broken,
    too large, or holds several candidates.
    """
    try:
        if not _has_directory(path):
            return None
        with open_regular(path, MODEL_LIMIT) as file, zipfile.ZipFile(file) as archive:
            name = _choose([info.filename for info in archive.infolist() if not info.is_dir()], path)
            if name is None:
                return None
            with archive.open(name) as member:
                content = member.read(limit_bytes + 1)
    except LabelsError:
        raise
    except _BROKEN as exc:
        raise LabelsError(f"{path}: the files packed into it cannot be read ({exc})") from exc
    if len(content) > limit_bytes:
        raise LabelsError(f"{path}:{name} unpacks to more than {limit_bytes >> 20} MiB: that is no label file")
    return name, content


def _has_directory(path: Path) -> bool:
    """Return True when there is an archive of a sane size, so that its list of members may be read into memory."""
    with open_regular(path, MODEL_LIMIT) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    at = tail.find(_END)
    found = False
    while at >= 0:  # every one that zipfile might take for the real one
        if len(tail) - at >= 22:
            found = True
            directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
            if directory_bytes > _DIRECTORY_LIMIT_BYTES:
                raise LabelsError(f"{path}: the list of files packed into it has {directory_bytes} bytes: too large")
        at = tail.find(_END, at + 1)
    return found


def _choose(names: list[str], path: Path) -> str | None:
    texts = [name for name in names if PurePosixPath(name).suffix.lower() in _SUFFIXES]
    named = [name for name in texts if "label" in PurePosixPath(name).name.lower()]
    candidates = named or [name for name in texts if name.lower().endswith(".txt")]
    if len(candidates) > 1:
        raise LabelsError(f"{path} holds several label files ({', '.join(candidates[:5])}): give one with `--labels`")
    return candidates[0] if candidates else None
