"""Say in one line why the store cannot be read or written."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mnv2_engines.errors import BuildError, StoreAccessError, StoreError, StoreFullError

__all__ = ["explain_trouble", "store_error"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def explain_trouble(folder: Path) -> Iterator[None]:
    """Turn an OSError, and a BuildError that one has caused, into a StoreError about the store at `folder`."""
    try:
        yield
    except StoreError:
        raise
    except OSError as exc:
        raise store_error(folder, exc) from exc
    except BuildError as exc:
        if isinstance(exc.__cause__, OSError):
            raise store_error(folder, exc.__cause__) from exc
        raise


def store_error(folder: Path, error: OSError) -> StoreError:
    """Return the error that says what became of the store, and what to do."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StoreFullError(
            f"{folder} is full ({reason}): nothing was changed; free some space, for example with "
            "`mnv2-edge engines prune`"
        )
    if error.errno in _FORBIDDEN:
        return StoreAccessError(
            f"{error.filename or folder} is closed to this user ({reason}): become the user that owns {folder}, "
            "or name another place in MNV2_EDGE_HOME"
        )
    return StoreError(f"{error.filename or folder} cannot be used ({reason}): expected a folder of engines at {folder}")
