"""The folder of a store: it names versions, stages new ones, keeps those in use and removes the rest."""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_engines.engine.rebuild_hint import VERSIONS
from mnv2_engines.errors import CorruptEngineError, StoreError, UnknownEngineError
from mnv2_engines.files.durable import locked_folder, make_folder, sync_folder, sync_tree, try_lock_folder
from mnv2_engines.store.errors import explain_store_error
from mnv2_engines.store.names import check_name, is_name, no_such_engine
from mnv2_engines.store.version import Version

__all__ = ["Staging", "Store"]

_STAGING: Final = ".staging"
_REJECTED: Final = ".rejected"
_DEFAULT: Final = ".default"
_LINK: Final = ".link-"
_VERSION: Final = re.compile(r"(\d+)-[0-9a-f]{8}")
_LOOKS: Final = 10


class Store:
    """The engines below one home. Any number of processes may use it at once; memory holds no copy of it."""

    def __init__(self, home: Path) -> None:
        self.folder: Final = home / "engines"

    def names(self) -> tuple[str, ...]:
        """Return what engines there are, in the order of the alphabet; none where there is no store yet.

        A link that somebody else has made, with a name that no engine has, is none.
        """
        with explain_store_error(self.folder):
            try:
                entries = list(os.scandir(self.folder))
            except FileNotFoundError:
                return ()
        return tuple(sorted(entry.name for entry in entries if entry.is_symlink() and is_name(entry.name)))

    def version(self, name: str) -> Version:
        """Return which version a name means now; a look at one link, so it may be asked often.

        Raises UnknownEngineError. What it returns may be removed at any time, unless it is `pinned`.
        """
        with explain_store_error(self.folder):
            try:
                target = (self.folder / check_name(name)).readlink()
            except OSError as exc:
                if exc.errno not in {errno.ENOENT, errno.EINVAL}:  # nothing there, or nothing of ours
                    raise
                raise UnknownEngineError(no_such_engine(self.folder, name, self.names())) from exc
        return Version(name, self.folder / target)

    @contextmanager
    def pinned(self, name: str) -> Iterator[Version]:
        """Yield the version that a name means now, and keep it on the disk as long as the `with` lasts.

        Raises UnknownEngineError, CorruptEngineError when the version is gone, StoreAccessError.
        """
        version, descriptor = self._pin(name)
        try:
            yield version
        finally:
            os.close(descriptor)

    def default(self) -> str | None:
        """Return which engine runs when none is named; None when that was never said, or it was removed."""
        with explain_store_error(self.folder):
            try:
                name = os.fspath((self.folder / _DEFAULT).readlink())
            except OSError as exc:
                if exc.errno not in {errno.ENOENT, errno.EINVAL}:  # nothing there, or nothing of ours
                    raise
                return None
        return name if (self.folder / name).is_symlink() else None

    def set_default(self, name: str) -> None:
        """Make `name` the default engine. Raises UnknownEngineError, StoreAccessError."""
        self.version(name)
        with self._changing():
            self._link(_DEFAULT, name)

    @contextmanager
    def staging(self, name: str) -> Iterator["Staging"]:
        """Yield an empty folder in which a version of `name` is made; it is removed unless it was published.

        What killed processes left behind goes first. Raises StoreAccessError, DiskError.
        """
        check_name(name)
        with self._changing():
            self._sweep()
            place = self.folder / _STAGING / f"{name}-{secrets.token_hex(4)}"
            place.mkdir(parents=True)
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # NFS: neither locked nor unlocked versions are removed there
                fcntl.flock(descriptor, fcntl.LOCK_SH)
        try:
            # One folder further down: builders lock the folder that they write to.
            folder = place / "version"
            with explain_store_error(self.folder):
                folder.mkdir()
            yield Staging(self, name, folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(descriptor)

    def remove(self, name: str) -> None:
        """Remove an engine; its files go as soon as nothing reads them. Raises UnknownEngineError, StoreAccessError."""
        self.version(name)
        with self._changing():
            if self.default() == name:
                (self.folder / _DEFAULT).unlink()
            (self.folder / name).unlink(missing_ok=True)
            sync_folder(self.folder)
            self._drop_superseded(name)
            self._drop(self.folder / _REJECTED / name)

    def tidy(self, name: str) -> None:
        """Remove the earlier versions of `name` that have no reader, after one of them was released."""
        with self._changing():
            self._drop_superseded(name)

    def prune(self) -> int:
        """Remove what no name leads to and nothing reads, and rejected builds; return how many bytes that freed."""
        with self._changing():
            before = _size(self.folder)
            self._sweep()
            for name in _folders(self.folder / VERSIONS):
                self._drop_superseded(name)
            for name in _folders(self.folder / _REJECTED):
                self._drop(self.folder / _REJECTED / name)
            return before - _size(self.folder)

    def require_writable(self) -> None:
        """Raise StoreAccessError now rather than after a build that cannot be installed."""
        with self._changing():
            probe = self.folder / f"{_LINK}{secrets.token_hex(4)}"
            probe.symlink_to(".")
            probe.unlink()

    def _publish(self, name: str, staged: Path) -> Version:
        with explain_store_error(self.folder):
            sync_tree(staged)
        with self._changing():
            versions = self.folder / VERSIONS / name
            make_folder(versions)
            number = 1 + max((_number(entry) for entry in _folders(versions)), default=0)
            version = Version(name, versions / f"{number:04d}-{secrets.token_hex(4)}")
            staged.rename(version.folder)
            sync_folder(versions)
            self._link(name, os.fspath(version.folder.relative_to(self.folder)))
            if self.default() is None:
                self._link(_DEFAULT, name)
            self._drop_superseded(name)
        return version

    def _put_aside(self, name: str, staged: Path) -> Path:
        with self._changing():
            rejected = self.folder / _REJECTED / name
            rejected.parent.mkdir(exist_ok=True)
            self._drop(rejected)
            staged.rename(rejected)
        return rejected

    def _pin(self, name: str) -> tuple[Version, int]:
        for _ in range(_LOOKS):
            version = self.version(name)
            with explain_store_error(self.folder):
                try:
                    descriptor = os.open(version.folder, os.O_RDONLY | os.O_DIRECTORY)
                except FileNotFoundError:  # replaced and removed in between
                    continue
                except OSError as exc:
                    if exc.errno not in {errno.ENOTDIR, errno.ELOOP}:
                        raise
                    break
            with suppress(OSError):  # NFS: what cannot be locked is never removed
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            if version.folder.is_dir():
                return version, descriptor
            os.close(descriptor)
        raise CorruptEngineError(
            f"{self.folder / name} leads to nothing: a part of the store was removed; build or import {name} again, or "
            f"`mnv2-edge engines remove {name}`"
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let one process at a time change names; waits are short, for nothing is built inside."""
        with explain_store_error(self.folder):
            make_folder(self.folder, mode=0o700)
            with locked_folder(self.folder):
                yield

    def _link(self, name: str, target: str) -> None:
        """Point a name at a target, atomically."""
        if (self.folder / name).exists() and not (self.folder / name).is_symlink():
            raise StoreError(f"{self.folder / name} is in the way: expected nothing that the store did not make")
        fresh = self.folder / f"{_LINK}{secrets.token_hex(4)}"
        fresh.symlink_to(target)
        fresh.replace(self.folder / name)
        sync_folder(self.folder)

    def _sweep(self) -> None:
        """Remove what processes left behind that ended before they could."""
        for name in _folders(self.folder / _STAGING):
            left = self.folder / _STAGING / name
            with suppress(FileNotFoundError), try_lock_folder(left) as free:  # its process may be removing it
                if free:
                    shutil.rmtree(left, ignore_errors=True)
        for link in self.folder.glob(f"{_LINK}*"):
            link.unlink(missing_ok=True)

    def _drop_superseded(self, name: str) -> None:
        """Remove the versions that `name` does not lead to and that are not locked."""
        link, versions = self.folder / name, self.folder / VERSIONS / name
        current = link.readlink().name if link.is_symlink() else None
        for entry in _folders(versions):
            if entry == current:
                continue
            with try_lock_folder(versions / entry) as free:
                if free:
                    self._drop(versions / entry)
        if current is None:
            with suppress(OSError):  # something still reads one
                versions.rmdir()

    def _drop(self, folder: Path) -> None:
        """Remove a folder so that a part of it is never visible, whenever this is cut short."""
        if not folder.is_dir():
            return
        trash = self.folder / _STAGING / f"removed-{secrets.token_hex(4)}"
        trash.parent.mkdir(exist_ok=True)
        folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Staging:
    """A folder in which a version is made; see `Store.staging`."""

    store: Store
    name: str
    folder: Path

    def publish(self) -> Version:
        """Put the version in its place, once all of it is on the disk; from then on the name means it.

        It becomes the default when there is none.
        """
        return self.store._publish(self.name, self.folder)  # noqa: SLF001 - one class in two parts

    def put_aside(self) -> Path:
        """Keep the folder where rejected builds are, in place of the last one of this name; return where."""
        return self.store._put_aside(self.name, self.folder)  # noqa: SLF001 - as above


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []


def _number(version: str) -> int:
    match = _VERSION.fullmatch(version)
    return int(match[1]) if match else 0


def _size(folder: Path) -> int:
    """Return how many bytes the files below a folder have; builders may be at work there."""
    size = 0
    for inner, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                size += (Path(inner) / name).lstat().st_size
    return size
