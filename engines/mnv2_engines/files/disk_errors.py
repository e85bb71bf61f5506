"""Errors of a disk that is full, read-only or failing, for which the program is not to blame.

One table for both packages: whatever is in it ends a command with the status "try again" (75).
"""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mnv2_engines.errors import DiskError

__all__ = ["disk_error", "read_only_error"]

_TROUBLES: Final[Mapping[int, tuple[str, str]]] = {
    errno.ENOSPC: ("the disk is full", "free some space and try again"),
    errno.EDQUOT: ("this user's quota is used up", "free some space, or have the quota raised, and try again"),
    errno.EFBIG: ("it would be larger than a file may be here", "raise the limit (`ulimit -f` shows it) and try again"),
    errno.EROFS: ("the disk is read-only", "make it writable, or choose another place, and try again"),
    errno.EIO: ("the disk fails", "`dmesg` may say why; save what is on it, and try again"),
    errno.ENOMEM: ("memory is short", "end other programs and try again"),
}
"""What is the matter, and what to do about it."""


def disk_error(error: BaseException | None, what: str, remedy: str = "") -> DiskError | None:
    """Return what to raise for an OSError that is the disk's fault; None for any other error.

    `what` begins the message, for example `FILE cannot be written`. `remedy` is for the case in which the usual one
    would not do.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None or number not in _TROUBLES:
        return None
    state, usual = _TROUBLES[number]
    return DiskError(f"{what} ({os.strerror(number)}): {state}; {remedy or usual}")


def read_only_error(folder: Path, what: str, remedy: str = "") -> DiskError | None:
    """Return what to raise for a folder on a disk that is mounted read-only; None for any other.

    For those who ask before they write: access(2) alone does not tell such a disk from a lack of rights.
    """
    try:
        is_read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except OSError:
        return None
    return disk_error(OSError(errno.EROFS, os.strerror(errno.EROFS)), what, remedy) if is_read_only else None
