"""A user's own models on this device: add and remove."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from mnv2_engines.catalogue.entries import Catalogue, CatalogueModel, KnownModels, RemoteFile, read_user_catalogue
from mnv2_engines.catalogue.home import ModelHome, forget_pins, read_pins, rewrite_file
from mnv2_engines.catalogue.model_file import HashPolicy, ObtainedFile, obtain
from mnv2_engines.catalogue.pull import PulledModel, PullOptions, install_obtained
from mnv2_engines.errors import ContractError, ModelError
from mnv2_engines.files.durable import locked_folder
from mnv2_engines.files.regular_file import UnfitFileError, require_regular
from mnv2_engines.labels.named import LISTS

__all__ = [
    "NewModel",
    "RemovedModel",
    "add_model",
    "forget_entry",
    "remember_entry",
    "remove_model",
    "require_removable",
]


@dataclass(frozen=True, slots=True)
class NewModel:
    """What to add; `stated` holds what is known about the model, without files and labels."""

    name: str
    source: str
    """A file or an address."""
    labels: str | None
    """A file, an address, or one of the package's lists."""
    stated: CatalogueModel


def add_model(new: NewModel, known: KnownModels, home: ModelHome, options: PullOptions) -> PulledModel:
    """Install a model and write it into the user's catalogue with its hash, by which later pulls are checked.

    Raises ContractError for a name that is taken or no name, and what `pull_model` raises.
    """
    if new.name in known.models:
        if new.name not in known.own:
            raise ContractError(f"the name {new.name} is taken, the package's catalogue has one: choose another one")
        raise ContractError(
            f"the name {new.name} is taken, you added one before: choose another one with --name, or remove it "
            f"first: `mnv2-edge models remove {new.name}`"
        )
    sources = [new.source]
    labels = new.labels
    if labels is not None and labels not in LISTS:
        sources.append(labels)
        labels = _file_name(labels)
    try:
        files = tuple(_remote(source) for source in sources)
        entry = msgspec.structs.replace(new.stated, files=files, labels=labels)
        Catalogue(version=1, models={new.name: entry})
    except ValueError as exc:
        raise ContractError(f"{new.source} cannot be added: {exc}") from exc
    with home.alone_with(new.name, options.waiting):
        obtained = [
            _obtain(source, file, home.parts(new.name), options) for source, file in zip(sources, files, strict=True)
        ]
        pinned = tuple(
            msgspec.structs.replace(file, sha256=found.sha256, size=found.size, evidence="seen when it was added")
            for file, found in zip(files, obtained, strict=True)
        )
        pulled = install_obtained(new.name, entry, home, obtained)
    remember_entry(home, new.name, msgspec.structs.replace(entry, files=pinned))
    return pulled


def _remote(source: str) -> RemoteFile:
    return RemoteFile(name=_file_name(source), urls=(source,) if _is_address(source) else ())


def _obtain(source: str, file: RemoteFile, parts: Path, options: PullOptions) -> ObtainedFile:
    mirror = None
    if not _is_address(source):
        mirror = Path(source).parent
        try:
            is_file = Path(source).is_file() and os.access(source, os.R_OK, effective_ids=True)
        except OSError:  # its folder is closed to this user
            is_file = False
        if not is_file:
            _refuse_special(Path(source))
            raise ModelError(
                f"there is no file {source} that this user may read: expected a model, weights, or an address of one"
            )
    return obtain(HashPolicy(file, None, None, ""), parts / file.name, mirror, options.retries, options.progress)


def _refuse_special(path: Path) -> None:
    """Raise ModelError that says so for what is there and no file."""
    try:
        require_regular(path)
    except (UnfitFileError, IsADirectoryError) as exc:
        raise ModelError(f"{path} cannot be read ({exc.strerror}): expected a model, weights, or an address") from exc
    except OSError:
        return


def _file_name(source: str) -> str:
    if not _is_address(source):
        return Path(source).name
    return PurePosixPath(unquote(urlsplit(source).path)).name


def _is_address(source: str) -> bool:
    return source.startswith(("https://", "http://"))


_TRASH: Final = ".removed"  # beside the parts; no file of a catalogue has a dot in front


@dataclass(frozen=True, slots=True)
class RemovedModel:
    """What was removed."""

    size: int
    """Bytes, of the model and of unfinished downloads."""
    own: bool
    """It was in the user's catalogue and is not any more: no pull brings it back."""


def require_removable(name: str, known: KnownModels, home: ModelHome) -> None:
    """Raise ContractError for a model that is unknown, that came with the package, or of which nothing is here."""
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
            folder.rename(parts / _TRASH)  # at once, so that half a model is never visible
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


def remember_entry(home: ModelHome, name: str, entry: CatalogueModel) -> None:
    """Add an entry or replace the one of that name. Raises CatalogueError for a catalogue that cannot be read."""
    with locked_folder(home.root):
        _write(home, {**_read(home), name: entry})


def forget_entry(home: ModelHome, name: str) -> None:
    """Take an entry out, if it is there. Raises CatalogueError for a catalogue that cannot be read."""
    with locked_folder(home.root):
        models = _read(home)
        if name in models:
            _write(home, {other: entry for other, entry in models.items() if other != name})


def _read(home: ModelHome) -> Mapping[str, CatalogueModel]:
    own = read_user_catalogue(home.catalogue)
    return own.models if own else {}


def _write(home: ModelHome, models: Mapping[str, CatalogueModel]) -> None:
    import yaml

    catalogue = Catalogue(version=1, models=dict(models))
    text = yaml.safe_dump(msgspec.to_builtins(catalogue), sort_keys=False, allow_unicode=True, width=110)
    rewrite_file(home.catalogue, f"# Models that were added with `mnv2-edge models add`.\n{text}".encode())
