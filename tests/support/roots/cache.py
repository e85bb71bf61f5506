"""Keep what takes long to fetch in the user's cache, whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

__all__ = ["RootUnavailableError", "cached"]

UNUSED_S = 30 * 24 * 3600
"""A root that nobody used for so long is removed: every new version of a library makes another one."""


class RootUnavailableError(RuntimeError):
    """What a root is made of cannot be had here: not Debian, no network, a package that is gone."""


def cached(name: str, ingredients: Sequence[str], build: Callable[[Path], None]) -> Path:
    """Return the folder that `build` fills, from the cache when it was built of the same `ingredients` before.

    `build` is given an empty folder, which gets its final name only when it returned: a build that was cut off leaves
    nothing that could be taken for a root. Nothing in it may hold its own path. Others who want the same root wait.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mnv2-edge-tests"
    base.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256("\n".join(ingredients).encode()).hexdigest()[:16]
    root = base / f"{name}-{key}"
    with _only_one(base / f"{name}.lock"):
        if not root.is_dir():
            for left_over in base.glob(f"{name}-*.partial"):
                _remove(left_over)
            partial = Path(tempfile.mkdtemp(prefix=f"{name}-", suffix=".partial", dir=base))
            partial.chmod(0o755)
            try:
                build(partial)
                partial.rename(root)
            except BaseException:
                _remove(partial)
                raise
        os.utime(root)
        for other in base.glob(f"{name}-*"):
            if other != root and time.time() - other.stat().st_mtime > UNUSED_S:
                _remove(other)
    return root


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
