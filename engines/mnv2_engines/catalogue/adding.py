"""Add a user's own model: install it, and remember in the user's catalogue where it came from and what its hash is."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec

from mnv2_engines.catalogue.entries import Catalogue, CatalogueModel, RemoteFile
from mnv2_engines.catalogue.home import ModelHome
from mnv2_engines.catalogue.obtaining import Obtained, Trust, obtain
from mnv2_engines.catalogue.own import remember_entry
from mnv2_engines.catalogue.pulling import PulledModel, PullOptions, install_obtained
from mnv2_engines.catalogue.reading import KnownModels
from mnv2_engines.errors import ContractError, ModelError
from mnv2_engines.labels.named import LISTS
from mnv2_engines.regular_file import UnfitFileError, require_regular

__all__ = ["NewModel", "add_model"]


@dataclass(frozen=True, slots=True)
class NewModel:
    """Say what to add; `stated` holds what is known about the model, without files and labels."""

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


def _obtain(source: str, file: RemoteFile, parts: Path, options: PullOptions) -> Obtained:
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
    return obtain(Trust(file, None, None, ""), parts / file.name, mirror, options.patience, options.progress)


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
