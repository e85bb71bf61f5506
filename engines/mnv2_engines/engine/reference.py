"""References to an engine that may be replaced while it serves, with a cheap check whether it was."""

import os
from pathlib import Path
from typing import Protocol

from mnv2_engines.engine.engine import Engine, read_engine
from mnv2_engines.engine.manifest import manifest_path
from mnv2_engines.engine.sidecar import sidecar_path

__all__ = ["EngineFile", "EngineReference", "file_version"]


class EngineReference(Protocol):
    """A place that may hold another engine the next time it is read."""

    def version(self) -> str:
        """Return a token that differs when another engine stands there, in any words; quick, and never raises.

        It may differ for the same engine as well (its file was copied anew), so the caller then reads it.
        """
        ...

    def read(self) -> Engine:
        """Read and verify what stands there now, as `read_engine`. Raises EnginesError.

        Its file stays until the next `read`, or `close`; by then a backend has opened it.
        """
        ...

    def close(self) -> None:
        """Release what was read last. Safe to call twice."""
        ...


class EngineFile:
    """Reference to FILE.tflite, or a symbolic link to one, with FILE.json and FILE.yaml beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def version(self) -> str:
        """Return where links lead, inode, size and time of the engine and of what may describe it beside it."""
        files = (self._path, manifest_path(self._path), sidecar_path(self._path))
        return " ".join(file_version(path) for path in files)

    def read(self) -> Engine:
        """Read and verify the file."""
        return read_engine(self._path)

    def close(self) -> None:
        """Do nothing: a file can be replaced or removed at any time."""


def file_version(path: Path) -> str:
    """Return what tells one file under this name from another, links followed, without reading it."""
    try:
        found = path.stat()
    except (OSError, ValueError) as exc:  # ValueError: a null character in the name
        return type(exc).__name__
    return f"{os.path.realpath(path)}:{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
