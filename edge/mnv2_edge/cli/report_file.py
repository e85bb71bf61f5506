"""Write a page that `--report FILE.html` asked for."""

from pathlib import Path

from mnv2_edge.errors import AccessError, UsageError
from mnv2_engines.disk_errors import disk_error
from mnv2_engines.regular_file import require_replaceable

__all__ = ["write_report"]

_ELSEWHERE = "choose another place with --report FILE.html"


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
