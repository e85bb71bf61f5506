"""Models below this device's home: both catalogues, what is pulled, and faults of the disk."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mnv2_edge.environment import Environment
from mnv2_engines.engine.engine import is_engine_file
from mnv2_engines.errors import EnginesError, StoreAccessError, StoreError, UnknownEngineError
from mnv2_engines.files.disk_errors import disk_error
from mnv2_engines.store import Store
from mnv2_engines.store.names import is_name

if TYPE_CHECKING:  # it brings the readers of all formats along, and what starts as a service hardly ever needs them
    from mnv2_engines.catalogue import CatalogueModel, KnownModels, ModelHome

__all__ = ["engines_built_from", "known_models", "mapped_store_errors", "missing_model", "model_home", "pulled_model"]

_log = logging.getLogger(__name__)

_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})


def model_home(environment: Environment) -> "ModelHome":
    """Return where models are on this device; it need not be there yet."""
    from mnv2_engines.catalogue import ModelHome

    return ModelHome(environment.home / "models")


def known_models(home: "ModelHome") -> "KnownModels":
    """Return the package's models and the user's. Raises CatalogueError where the user's cannot be read."""
    from mnv2_engines.catalogue import KnownModels, read_package_catalogue, read_user_catalogue

    known = KnownModels(read_package_catalogue(), read_user_catalogue(home.catalogue))
    for name in known.hidden:
        _log.warning("%s in %s is not used: the package has a model of that name; rename yours", name, home.catalogue)
    return known


def pulled_model(word: str | None, environment: Environment) -> Path | None:
    """Return the file of the catalogue's model that `--model WORD` means; None when it means something else.

    An engine of the store comes first, then a file. Raises UnknownEngineError, with the command that helps, for a model
    that is not here or of which an engine has to be built.
    """
    if word is None or not is_name(word) or word in Store(environment.home).names() or Path(word).exists():
        return None
    from mnv2_engines.catalogue import installed_model

    home = model_home(environment)
    entry = known_models(home).models.get(word)
    if entry is None:
        return None
    path = installed_model(word, entry, home)
    if path is not None and is_engine_file(path):
        return path
    raise UnknownEngineError(missing_model(word, entry))


def missing_model(name: str, entry: "CatalogueModel") -> str:
    """Say that a model of the catalogue cannot run yet, and the command after which it can."""
    if entry.becomes == ".onnx":
        return f"no engine of {name} was built yet: build one with `mnv2-edge build-engine {name} --calibration FOLDER`"
    return f"{name} is in the catalogue and not here: fetch it with `mnv2-edge models pull {name}`"


def engines_built_from(model_sha256: str, environment: Environment) -> tuple[str, ...]:
    """Return the names of the engines in the store that were built from a model's file; what is damaged is left out."""
    from mnv2_engines.store.listing import list_stored

    stored = list_stored(Store(environment.home))
    return tuple(
        entry.name for entry in stored if entry.recipe is not None and entry.recipe.model.sha256 == model_sha256
    )


@contextmanager
def mapped_store_errors(home: "ModelHome") -> Iterator[None]:
    """Say in one line what the disk has against writing below `home`: raises DiskError, StoreError and its kinds."""
    try:
        yield
    except EnginesError:
        raise
    except OSError as exc:
        where, why = exc.filename or home.root, exc.strerror or str(exc)
        trouble = disk_error(exc, f"{where} cannot be used")
        if trouble is not None:
            raise trouble from exc
        if exc.errno in _FORBIDDEN:
            raise StoreAccessError(
                f"{where} is closed to this user ({why}): name a folder of your own in MNV2_EDGE_HOME"
            ) from exc
        raise StoreError(f"{where} cannot be used ({why}): expected a folder of models at {home.root}") from exc
