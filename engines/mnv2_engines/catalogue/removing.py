"""Remove a model from this device, with all that was remembered of it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_engines.catalogue.home import ModelHome
from mnv2_engines.catalogue.own import forget_entry
from mnv2_engines.catalogue.pins import forget_pins, read_pins
from mnv2_engines.catalogue.reading import KnownModels
from mnv2_engines.errors import ContractError

__all__ = ["RemovedModel", "remove_model", "require_removable"]

_TRASH: Final = ".removed"  # beside the parts; no file of a catalogue has a dot in front


@dataclass(frozen=True, slots=True)
class RemovedModel:
    """What is gone."""

    size: int
    """Bytes, of the model and of unfinished downloads."""
    own: bool
    """It was in the user's catalogue and is not any more: no pull brings it back."""


def require_removable(name: str, known: KnownModels, home: ModelHome) -> None:
    """Raise ContractError for a model that nobody knows, that came with the package, or of which nothing is here."""
    if not known.find(name).files:
        raise ContractError(f"{name} comes with the package and goes with it: there is nothing to remove")
    pinned = any(key.startswith(_pinned_by(name)) for key in read_pins(home.pins))
    if not (name in known.own or pinned or os.path.lexists(home.folder(name)) or _size(home.parts(name))):
        raise ContractError(f"nothing of {name} is on this device: `mnv2-edge models list` shows what is")


def remove_model(
    name: str, known: KnownModels, home: ModelHome, waiting: Callable[[], None] = lambda: None
) -> RemovedModel:
    """Remove a model's folder, what was fetched of it, the hashes that were pinned, and its entry if a user added it.

    The entry goes last: as long as something is left, the name is known and can be removed again. A process that runs
    the model goes on, since it holds the file. `waiting` is called when another process is at the model. Raises what
    `require_removable` does, CatalogueError and OSError.
    """
    require_removable(name, known, home)
    own = name in known.own
    with home.alone_with(name, waiting):
        folder, parts = home.folder(name), home.parts(name)
        size = _size(folder) + _size(parts)
        if os.path.lexists(folder):
            _remove(parts / _TRASH)  # of a process that was killed
            folder.rename(parts / _TRASH)  # at once, so that nobody finds half a model
        for left in parts.iterdir():
            _remove(left)
        forget_pins(home.pins, _pinned_by(name))
        if own:
            forget_entry(home, name)
    return RemovedModel(size, own)


def _pinned_by(name: str) -> str:
    return f"{name}/"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum((Path(inner) / name).lstat().st_size for inner, _, files in os.walk(folder) for name in files)
