"""Places of models on this device, and the lock that lets one process at a time change one of them.

* HOME/models/NAME/: what a user runs or builds from: NAME.onnx or NAME.tflite, NAME.yaml, labels.txt, pulled.json
* HOME/models/.parts/NAME/: downloads that are not whole yet, or not checked; what is locked while a model is changed
* HOME/models/pins.json: hashes of files that were seen before and have no published one
* HOME/models/catalogue.yaml: what the user added
"""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from mnv2_engines.catalogue.entries import HashKind
from mnv2_engines.errors import CatalogueError
from mnv2_engines.files.checked_json import UNREADABLE
from mnv2_engines.files.durable import locked_folder, opened_folder, replace, write_file
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular

__all__ = ["ModelHome", "Pin", "PullRecord", "forget_pins", "pin_file", "read_pins", "read_pulled", "rewrite_file"]

_BETWEEN_LOOKS_S: Final = 0.1


class PullRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Record of a model folder's files and their origin: pulled.json, which is written last."""

    model: str
    """The file that a user names, in the same folder."""
    model_sha256: str
    file: str
    """What was fetched; weights are not kept once they are imported."""
    sha256: str
    size: int
    source: str
    """The address, or the path in a mirror."""
    hash_was: HashKind
    pulled: str
    """Date and time by this machine's clock, ISO 8601."""


@dataclass(frozen=True, slots=True)
class ModelHome:
    """Paths below `root`, the store's `models` folder."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return the folder of a model."""
        return self.root / name

    def parts(self, name: str) -> Path:
        """Return the folder of a model's unfinished downloads."""
        return self.root / ".parts" / name

    @property
    def pins(self) -> Path:
        """Return the file of hashes that were seen before."""
        return self.root / "pins.json"

    @property
    def catalogue(self) -> Path:
        """Return the user's own catalogue."""
        return self.root / "catalogue.yaml"

    @contextmanager
    def alone_with(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Let one process at a time work on a model; `waiting` is called once when another one is at it.

        The lock ends with its process, however that ends. What the other one does is bounded, so waiting is. Nothing is
        left of the folder of parts when there is nothing in it.
        """
        folder = self.parts(name)
        with _lock(folder, waiting):
            try:
                yield
            finally:
                with suppress(OSError):  # a part of a download is kept
                    folder.rmdir()


def read_pulled(folder: Path) -> PullRecord | None:
    """Return the record of a model's folder; None when there is none that can be read: then nothing is installed."""
    try:
        found = msgspec.json.decode(read_regular(folder / "pulled.json", SETTINGS_LIMIT), type=PullRecord)
    except (OSError, *UNREADABLE):
        return None
    return found if (folder / found.model).is_file() else None


def rewrite_file(path: Path, content: bytes) -> None:
    """Put a file in the place of another one: a reader finds the old one or the new one, whole."""
    staged = path.with_name(f".{path.name}.new")
    staged.unlink(missing_ok=True)  # of a process that was killed
    write_file(staged, content)
    replace(staged, path)


def _lock(folder: Path, waiting: Callable[[], None]) -> ExitStack:
    """Make a folder and lock it, and once more when the holder before has removed it; return what unlocks it."""
    told = False
    while True:
        with suppress(FileNotFoundError), ExitStack() as stack:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except FileExistsError:  # also when it was there, and was gone before pathlib looked what it is
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise
            descriptor = stack.enter_context(opened_folder(folder))
            while not _take(descriptor):
                if not told:
                    waiting()
                    told = True
                time.sleep(_BETWEEN_LOOKS_S)
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return stack.pop_all()


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # NFS locks no folders: users of a home there must not pull one model twice at once
        return True
    return True


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, where and when."""

    sha256: str
    size: int
    source: str
    """The address, or the path in a mirror."""
    seen: str
    """Date and time by this machine's clock, ISO 8601."""


class _Pins(msgspec.Struct):
    files: dict[str, Pin] = msgspec.field(default_factory=dict)
    """By MODEL/FILE."""


def read_pins(path: Path) -> dict[str, Pin]:
    """Return the pins by MODEL/FILE. Raises CatalogueError for a damaged file: an empty one would trust anything."""
    try:
        return msgspec.json.decode(read_regular(path, SETTINGS_LIMIT), type=_Pins).files
    except FileNotFoundError:
        return {}
    except (OSError, *UNREADABLE) as exc:
        raise CatalogueError(
            f"{path}, which holds the hashes of files seen before, cannot be read ({exc}): restore it, or remove it to "
            "trust whatever is fetched next"
        ) from exc


def pin_file(path: Path, key: str, pin: Pin) -> None:
    """Add a pin or replace the one there is; of two processes at once one comes after the other."""
    with locked_folder(path.parent):
        _write(path, {**read_pins(path), key: pin})


def forget_pins(path: Path, start: str) -> None:
    """Remove the pins whose keys begin with `start`: what is fetched next is trusted again when it is first seen."""
    with locked_folder(path.parent):
        pins = read_pins(path)
        kept = {key: pin for key, pin in pins.items() if not key.startswith(start)}
        if kept != pins:
            _write(path, kept)


def _write(path: Path, pins: dict[str, Pin]) -> None:
    rewrite_file(path, msgspec.json.format(msgspec.json.encode(_Pins(pins)), indent=1) + b"\n")
