"""See what lies at a path that a user typed."""

import stat
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_edge.errors import SourceError, SourcePermissionError
from mnv2_engines.regular_file import read_start

__all__ = ["Place", "may_not_be_read", "require_readable", "what_is_at"]

Place: TypeAlias = Literal["file", "folder", "other", "nothing"]


def what_is_at(path: Path) -> Place:
    """Return what kind of thing it is. Raises SourcePermissionError where this user may not even see that."""
    try:
        mode = path.stat().st_mode
    except PermissionError as exc:
        raise may_not_be_read(path) from exc
    except (OSError, ValueError):  # ValueError: a null character in the name
        return "nothing"
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def require_readable(path: Path) -> None:
    """Raise SourceError or SourcePermissionError unless bytes can be read from a file.

    To be asked before a library opens it by its name: one that gives nothing yet, as /proc/kmsg, would keep it waiting.
    """
    try:
        read_start(path, 1)
    except PermissionError as exc:
        raise SourcePermissionError(f"{path} may not be read by this user: `ls -l {path}` shows who may") from exc
    except OSError as exc:
        raise SourceError(f"{path} cannot be read: {exc.strerror}") from exc


def may_not_be_read(path: Path) -> SourcePermissionError:
    """Return the error for a file or folder that is closed to this user, or lies in one that is."""
    return SourcePermissionError(f"{path} may not be read by this user: `namei -l {path}` shows who may")
