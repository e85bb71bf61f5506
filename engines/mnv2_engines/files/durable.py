"""Changes of files after which a crash or a power cut leaves the old state or the new one, never half of either."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "locked_folder",
    "make_folder",
    "opened_folder",
    "replace",
    "sync_folder",
    "sync_tree",
    "try_lock_folder",
    "write_file",
]


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, so that none of their names is lost; `mode` is its own."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a new file and wait until it is on the disk; its name is safe once its folder is synced too."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace(source: Path, target: Path) -> None:
    """Rename, and wait until the folder is on the disk: else a power cut may undo this step and keep the next."""
    source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    with opened_folder(folder) as descriptor:
        os.fsync(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until all files below a folder, and the folders themselves, are on the disk."""
    for inner, _, files in os.walk(folder, topdown=False):
        for name in files:
            with (Path(inner) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(inner))


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Let one process at a time change what is in a folder; locks end with their process.

    Not to be nested for one folder: the second lock would never be granted, in one process too.
    """
    with opened_folder(folder) as descriptor:
        with suppress(OSError):  # NFS locks no folders: there, builders must not share one
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def try_lock_folder(folder: Path) -> Iterator[bool]:
    """Yield whether a folder was not locked; if so it is locked inside of the `with`.

    False where that cannot be known.
    """
    with opened_folder(folder) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


@contextmanager
def opened_folder(folder: Path) -> Iterator[int]:
    """Open a folder and give its descriptor; raises OSError when it is none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
