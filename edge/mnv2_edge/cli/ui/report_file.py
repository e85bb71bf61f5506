"""Files that the user has named: pages that `--report FILE.html` asks for, and others."""

from pathlib import Path

from mnv2_edge.errors import AccessError, UsageError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.regular_file import require_replaceable

__all__ = ["require_free_place", "write_report"]

_ELSEWHERE = "choose another place with --report FILE.html"


def require_free_place(path: Path) -> None:
    """Raise UsageError now, and not after minutes of work, for a place where there is something that is not a file."""
    try:
        require_replaceable(path)
    except PermissionError:  # its folder is closed, which is said with what to do by who looks at the folder
        return
    except OSError as exc:
        raise UsageError(f"{path} cannot be written over ({exc.strerror}): choose another name") from exc


def write_report(path: Path, page: str) -> None:
    """Write the page; nothing is left of one that cannot be written whole.

    Raises AccessError, DiskError, or UsageError for a place where no file can be.
    """
    try:
        require_replaceable(path)
        with path.open("w", encoding="utf-8") as file:
            try:
                file.write(page)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except PermissionError as exc:
        raise AccessError(f"the report {path} may not be written by this user: {_ELSEWHERE}") from exc
    except OSError as exc:
        what = f"the report {path} cannot be written"
        raise (disk_error(exc, what) or UsageError(f"{what} ({exc.strerror}): {_ELSEWHERE}")) from exc
