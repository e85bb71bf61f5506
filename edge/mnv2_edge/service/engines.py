"""The copy of an engine from the store of the installing user into the store of the service."""

import os
import pwd
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mnv2_edge.environment import read_environment
from mnv2_edge.errors import ConfigError
from mnv2_edge.inference.models import known_models, missing_model
from mnv2_edge.service.installation import make_state
from mnv2_edge.service.service_user import acting_as_service, service_user
from mnv2_engines.catalogue import KnownModels, ModelHome, installed_model
from mnv2_engines.store import Store
from mnv2_engines.store.archive import export_engine, import_engine

__all__ = ["copy_engine", "find_engine", "find_pulled", "stores_of_installer"]

_SUDO: Final = "SUDO_USER"
_ON_DISK: Final = "/var/tmp"  # noqa: S108 - /tmp may be memory, and is small on small boards


def stores_of_installer(variables: Mapping[str, str]) -> tuple[Store, ...]:
    """Return where an engine may have been built: by this user, and by the one who typed `sudo`."""
    homes = [read_environment(variables).home]
    user = variables.get(_SUDO)
    if user is not None:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            return (Store(homes[0]),)
        homes.append(read_environment({"HOME": entry.pw_dir}).home)
    return tuple(Store(home) for home in dict.fromkeys(homes))


def find_engine(name: str | None, stores: Sequence[Store], target: Store) -> tuple[Store, str] | None:
    """Return which store has the engine `name`, or the default engine where none is named.

    None when there is nothing to bring: the service has it already, or none was ever built and the demo network runs.
    Raises ConfigError for an unknown name, with the command that brings a model of the catalogue.
    """
    for store in stores:
        wanted = name or store.default()
        if wanted is not None and wanted in store.names():
            return store, wanted
    if name is None or name in target.names():
        return None
    for store in stores:
        entry = _known_to(store).models.get(name)
        if entry is not None:
            raise ConfigError(f"{missing_model(name, entry)}, then install the service again")
    places = ", ".join(str(store.folder) for store in (*stores, target))
    raise ConfigError(f"no engine is called {name} in {places}: mnv2-edge build-engine MODEL.onnx --name {name}")


def find_pulled(name: str, stores: Sequence[Store], target: Store) -> Path | None:
    """Return the TFLite file of a model that the installing user has pulled; None where an engine has that name."""
    if any(name in store.names() for store in (*stores, target)):
        return None
    for store in stores:
        entry = _known_to(store).models.get(name)
        path = None if entry is None else installed_model(name, entry, _models_beside(store))
        if path is not None and path.suffix == ".tflite":
            return path
    return None


def copy_engine(source: Store, name: str, target: Store, *, as_default: bool) -> bool:
    """Copy an engine and what it was built from into `target`, where it is verified; return whether it runs there.

    False: it has to be built on this device first, which `mnv2-edge-engines.service` does. `target` is written as the
    service's user. Raises what `export_engine` and `import_engine` do.
    """
    make_state(target.folder.parent)
    with tempfile.TemporaryDirectory(dir=_ON_DISK, prefix="mnv2-edge-") as folder:
        archive = Path(folder) / f"{name}.mnv2"
        export_engine(source, name, archive)
        user = service_user()
        if user is not None:  # what it was built from may be pictures, which are private
            os.chown(archive, user.pw_uid, user.pw_gid)
            os.chown(folder, user.pw_uid, user.pw_gid)
        with acting_as_service():
            target.folder.mkdir(exist_ok=True, mode=0o700)
            imported = import_engine(target, archive)
            if as_default:
                target.set_default(imported.name)
    return imported.is_built


def _known_to(store: Store) -> KnownModels:
    return known_models(_models_beside(store))


def _models_beside(store: Store) -> ModelHome:
    return ModelHome(store.folder.parent / "models")
