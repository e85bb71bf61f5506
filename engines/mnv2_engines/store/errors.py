"""One line that says why the store cannot be read or written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mnv2_engines.errors import BuildError, DiskError, StoreAccessError, StoreError
from mnv2_engines.files.disk_errors import disk_error

__all__ = ["explain_store_error"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_ELSEWHERE: Final = "name another place in MNV2_EDGE_HOME"


@contextmanager
def explain_store_error(folder: Path, elsewhere: str = _ELSEWHERE) -> Iterator[None]:
    """Turn an OSError, and a BuildError that one has caused, into a StoreError or DiskError about `folder`.

    `elsewhere` says what to do when that cannot be helped there.
    """
    try:
        yield
    except StoreError:
        raise
    except BuildError as exc:  # before OSError: some of its kinds are both
        if isinstance(exc.__cause__, OSError):
            raise _store_error(folder, exc.__cause__, elsewhere) from exc
        raise
    except OSError as exc:
        raise _store_error(folder, exc, elsewhere) from exc


def _store_error(folder: Path, error: OSError, elsewhere: str) -> StoreError | DiskError:
    reason = error.strerror or str(error)
    remedy = "nothing was changed; "
    if error.errno in _FULL:
        remedy += "free some space (`mnv2-edge engines prune` may find some), or "
    trouble = disk_error(error, f"{folder} cannot be used", remedy + elsewhere)
    if trouble is not None:
        return trouble
    if error.errno in _FORBIDDEN:
        return StoreAccessError(
            f"{folder} is closed to this user ({reason}): become the user that owns it, or {elsewhere}"
        )
    return StoreError(
        f"{error.filename or folder} cannot be used ({reason}): expected a folder at {folder}; {elsewhere}"
    )
