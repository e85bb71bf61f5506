"""A folder of pictures with a limit, so that the disk does not fill up and the card does not wear out."""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from mnv2_edge.errors import AccessError, UsageError
from mnv2_engines.files.disk_errors import disk_error, read_only_error

__all__ = ["FolderFullError", "PictureFolder"]

_SPARE_SHARE: Final = 0.05
_SPARE_BYTES: Final = 64 << 20
"""So much of a disk stays free: a twentieth of it, and 64 MiB at least."""


class FolderFullError(Exception):
    """Reason why further pictures are not kept."""


class PictureFolder:
    """Owner of the pictures in one folder; used by one thread.

    All files in it count towards the limit, those of earlier runs too: a service that starts again and again writes no
    more than one that does not. What somebody else deletes makes room; nothing is ever deleted here.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Make the folder. Raises AccessError, DiskError or UsageError when it cannot be made or written to."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._bytes = _measure(path)
        except PermissionError as exc:
            raise AccessError(f"{path} may not be written by this user: choose another folder with --save DIR") from exc
        except OSError as exc:
            elsewhere = "choose another with --save DIR"
            trouble = disk_error(exc, f"{path} cannot be the folder for pictures", elsewhere)
            raise (trouble or UsageError(f"{path} is not a folder for pictures ({exc.strerror}): {elsewhere}")) from exc
        if not os.access(path, os.W_OK | os.X_OK):
            closed = AccessError(f"{path} may not be written by this user: choose another folder with --save DIR")
            raise read_only_error(path, f"{path} cannot be written", "choose another folder with --save DIR") or closed
        self.path = path
        self._limit_bytes = limit_bytes

    def keep(self, name: str, data: bytes) -> None:
        """Write a picture, whole or not at all; one of the same name is replaced.

        Raises FolderFullError when there is no room for it, OSError when it cannot be written.
        """
        target = self.path / name
        replaced = target.stat().st_size if target.is_file() else 0
        if self._bytes - replaced + len(data) > self._limit_bytes:
            self._bytes = _measure(self.path)  # somebody may have tidied up
        if self._bytes - replaced + len(data) > self._limit_bytes:
            raise FolderFullError(
                f"{self.path} holds {self._bytes / 2**20:.0f} MiB, the limit is {self._limit_bytes / 2**20:.0f}: "
                "empty it, or raise `save: {limit_mib: N}`"
            )
        disk = shutil.disk_usage(self.path)
        if disk.free - len(data) < max(_SPARE_BYTES, _SPARE_SHARE * disk.total):
            raise FolderFullError(f"the disk of {self.path} is nearly full ({disk.free / 2**20:.0f} MiB free)")
        temporary = self.path / f".{secrets.token_hex(8)}.part"
        try:
            temporary.write_bytes(data)
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._bytes += len(data) - replaced


def _measure(folder: Path) -> int:
    """Return the bytes of all files in a folder, in which others may delete and write meanwhile."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size if entry.is_file() else 0
    return total
