"""The pull of a model: obtain its files, check them, import them, install them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mnv2_engines.catalogue.download import Progress, RetryPolicy, discard
from mnv2_engines.catalogue.entries import CatalogueModel, RemoteFile
from mnv2_engines.catalogue.home import ModelHome, Pin, PullRecord, pin_file, read_pins, read_pulled, rewrite_file
from mnv2_engines.catalogue.install import files_beside, install_model, prepare_content
from mnv2_engines.catalogue.model_file import HashPolicy, Mirror, ObtainedFile, file_hash, now, obtain
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.files.regular_file import MODEL_LIMIT, read_regular

__all__ = ["PullOptions", "PulledModel", "fill_mirror", "install_obtained", "installed_model", "pull_model"]


def _say_nothing(_name: str, _done: int, _total: int | None) -> None:
    return


@dataclass(frozen=True, slots=True)
class PullOptions:
    """Where a model is pulled from, and with which timeouts."""

    mirror: Mirror | None = None
    accept: str | None = None
    """A whole SHA-256 that the user trusts, of a file without a published hash."""
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    progress: Progress = _say_nothing
    waiting: Callable[[], None] = lambda: None
    """Called when another process pulls the same model, which is waited for."""


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model that is on this device."""

    path: Path
    record: PullRecord | None
    """None for what came with the package."""
    fresh: bool
    """It was not there before."""
    notes: tuple[str, ...] = ()


def pull_model(name: str, entry: CatalogueModel, home: ModelHome, options: PullOptions) -> PulledModel:
    """Install a model unless it is there already, whole and with the hash that it should have.

    Raises DownloadError, ModelError, LabelsError, DiskError, CatalogueError; then what was there is unchanged, and
    what was fetched so far is kept for the next call.
    """
    if not entry.files:
        return PulledModel(demo_engine_path(), None, fresh=False)
    with home.alone_with(name, options.waiting):
        trusts = [_trust(name, file, home, options.accept) for file in entry.files]
        installed = _whole(name, entry, home, trusts[0])
        if installed is not None:
            return installed
        obtained = [_obtain(trust, home.parts(name), options) for trust in trusts]
        return install_obtained(name, entry, home, obtained, lambda: _pin(name, trusts, obtained, home))


def install_obtained(
    name: str,
    entry: CatalogueModel,
    home: ModelHome,
    obtained: Sequence[ObtainedFile],
    proved: Callable[[], None] = lambda: None,
) -> PulledModel:
    """Install what was obtained for an entry, and forget the parts. The caller is alone with the model.

    `proved` is called when it is known to be a model, and before anything is installed. Raises ModelError and
    LabelsError when it is none; then the parts are forgotten, too, and another call fetches them anew.
    """
    model, labels = obtained[0], obtained[1].path if len(obtained) > 1 else None
    try:
        content = prepare_content(entry, model.path, labels)
        proved()
        record = PullRecord(
            model=f"{name}{content.suffix}",
            model_sha256=hashlib.sha256(content.model).hexdigest(),
            file=entry.files[0].name,
            sha256=model.sha256,
            size=model.size,
            source=model.source,
            hash_was=model.hash_was,
            pulled=now(),
        )
        path = install_model(home.folder(name), name, content, record)
    finally:
        for found in obtained:
            discard(found.path)
    return PulledModel(path, record, fresh=True, notes=content.notes)


def fill_mirror(name: str, entry: CatalogueModel, home: ModelHome, folder: Path, options: PullOptions) -> list[Path]:
    """Fetch and check a model's files and put them into a folder that other devices use as their mirror."""
    filled = []
    with home.alone_with(name, options.waiting):
        for file in entry.files:
            trust = _trust(name, file, home, options.accept)
            found = _obtain(trust, home.parts(name), options)
            rewrite_file(folder / file.name, read_regular(found.path, MODEL_LIMIT))
            discard(found.path)
            filled.append(folder / file.name)
    return filled


def installed_model(name: str, entry: CatalogueModel, home: ModelHome) -> Path | None:
    """Return the model's path when it is on this device; its bytes are not checked."""
    if not entry.files:
        return demo_engine_path()
    record = read_pulled(home.folder(name))
    return home.folder(name) / record.model if record else None


def _whole(name: str, entry: CatalogueModel, home: ModelHome, trust: HashPolicy) -> PulledModel | None:
    """Return what is installed when it is what would be installed now."""
    folder = home.folder(name)
    record = read_pulled(folder)
    if record is None or not record.sha256.startswith(trust.file.sha256 or ""):
        return None
    if trust.whole not in (None, record.sha256):
        return None
    if not all((folder / beside).is_file() for beside in files_beside(name, entry)):
        return None
    path = folder / record.model
    if file_hash(path) != record.model_sha256:
        return None
    return PulledModel(path, record, fresh=False)


def _trust(name: str, file: RemoteFile, home: ModelHome, accept: str | None) -> HashPolicy:
    pin = read_pins(home.pins).get(_key(name, file)) if file.hash_kind != "whole" else None
    return HashPolicy(file, pin, accept if file.hash_kind != "whole" else None, f"mnv2-edge models pull {name}")


def _obtain(trust: HashPolicy, parts: Path, options: PullOptions) -> ObtainedFile:
    return obtain(trust, parts / trust.file.name, options.mirror, options.retries, options.progress)


def _pin(name: str, trusts: Sequence[HashPolicy], obtained: Sequence[ObtainedFile], home: ModelHome) -> None:
    """Remember the hashes of files of which not all was known, and of those that the user accepts instead."""
    for trust, found in zip(trusts, obtained, strict=True):
        if found.hash_was != "whole" and (trust.pin is None or trust.pin.sha256 != found.sha256):
            pin = Pin(sha256=found.sha256, size=found.size, source=found.source, seen=now())
            pin_file(home.pins, _key(name, trust.file), pin)


def _key(name: str, file: RemoteFile) -> str:
    return f"{name}/{file.name}"
