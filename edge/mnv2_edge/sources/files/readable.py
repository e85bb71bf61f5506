"""Readability of a file, checked before a library is given its name."""

from pathlib import Path

from mnv2_edge.errors import SourceError, SourcePermissionError
from mnv2_engines.files.regular_file import read_start

__all__ = ["require_readable"]


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
