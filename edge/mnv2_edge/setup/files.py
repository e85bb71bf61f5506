"""The writer of a configuration and its passwords: all of it, or nothing."""

import contextlib
import errno
import os
import secrets
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from mnv2_edge.errors import AccessError, EdgeError, UsageError
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_engines.errors import DiskError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.files.durable import sync_folder
from mnv2_engines.files.regular_file import require_replaceable

__all__ = ["PendingFile", "name_passwords", "require_writable", "write_files"]

_MODE: Final = 0o640
_SECRET_MODE: Final = 0o600
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file to write."""

    path: Path
    text: str
    secret: bool = False
    """For its owner's eyes alone."""

    def __repr__(self) -> str:
        """Show no secret."""
        return f"PendingFile({self.path})"


def name_passwords(draft: ConfigDraft, path: Path) -> tuple[ConfigDraft, tuple[PendingFile, ...]]:
    """Return the draft with a file beside `path` for every password that was typed, and these files."""
    files = []
    cameras = list(draft.config.cameras)
    for index, password in draft.camera_passwords.items():
        which = str(index) if len(cameras) > 1 else ""
        files.append(PendingFile(path.with_name(f"{path.stem}.camera{which}-password"), f"{password}\n", secret=True))
        cameras[index] = msgspec.structs.replace(cameras[index], password_file=str(files[-1].path.absolute()))
    draft = draft.with_config(cameras=tuple(cameras))
    broker = draft.broker
    if broker is not None and draft.mqtt_password:
        files.append(PendingFile(path.with_name(f"{path.stem}.mqtt-password"), f"{draft.mqtt_password}\n", secret=True))
        broker = msgspec.structs.replace(broker, password_file=str(files[-1].path.absolute()))
        draft = draft.with_broker(broker, draft.mqtt_password)
    return draft, tuple(files)


def require_writable(path: Path) -> None:
    """Find out before anything is asked that a file could be written.

    Raises UsageError, AccessError, DiskError.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder: expected the name of a file, as in {path / 'mnv2-edge.yaml'}")
        require_replaceable(path)
        _temporary(path, "", _SECRET_MODE).unlink()
    except (FileNotFoundError, NotADirectoryError) as exc:
        folder = path.parent
        raise UsageError(
            f"there is no folder {folder} for {path.name}: make it with `mkdir -p {shlex.quote(str(folder))}`"
        ) from exc
    except OSError as exc:
        raise _refused(path, exc) from exc


def write_files(files: Sequence[PendingFile]) -> None:
    """Write every file, the last one last: what fails until then leaves everything as it was.

    A file that is there keeps its mode unless it is a secret; what root writes belongs to whom the folder belongs to.
    Raises AccessError, DiskError, UsageError when something cannot be written.
    """
    written: dict[Path, Path] = {}
    try:
        for file in files:
            written[_temporary(file.path, file.text, _mode(file))] = file.path
        for temporary, path in written.items():
            temporary.replace(path)
        for folder in {path.parent for path in written.values()}:
            sync_folder(folder)
    except OSError as exc:
        raise _refused(files[-1].path, exc) from exc
    finally:
        _discard(written)


def _discard(written: Mapping[Path, Path]) -> None:
    for temporary in written:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _mode(file: PendingFile) -> int:
    if file.secret:
        return _SECRET_MODE
    try:
        return stat.S_IMODE(file.path.stat().st_mode)
    except FileNotFoundError:
        return _MODE


def _temporary(path: Path, text: str, mode: int) -> Path:
    """Write a file beside `path` that no other user may open before it has its mode and owner."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _SECRET_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if os.geteuid() == 0:
                owner = (path if path.exists() else path.parent).stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _refused(path: Path, error: OSError) -> EdgeError | DiskError:
    why = f"{path} cannot be written ({error.strerror or error})"
    trouble = disk_error(error, f"{path} cannot be written")
    if trouble is not None:
        return trouble
    if error.errno in _FORBIDDEN:
        return AccessError(f"{why}: this user may not; name another place with --output FILE")
    return UsageError(f"{why}: name another place with --output FILE")
