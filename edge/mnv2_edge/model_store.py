"""Reach the models below this device's home: both catalogues, what is pulled, and what goes wrong with the disk."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mnv2_edge.environment import Environment
from mnv2_edge.errors import AccessError
from mnv2_engines.catalogue import KnownModels, ModelHome, read_package_catalogue, read_user_catalogue
from mnv2_engines.errors import EnginesError, StorageError

__all__ = ["known_models", "model_home", "storing"]

_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def model_home(environment: Environment) -> ModelHome:
    """Return where models are on this device; it need not be there yet."""
    return ModelHome(environment.home / "models")


def known_models(home: ModelHome) -> KnownModels:
    """Return the package's models and the user's. Raises CatalogueError where the user's cannot be read."""
    return KnownModels(read_package_catalogue(), read_user_catalogue(home.catalogue))


@contextmanager
def storing(home: ModelHome) -> Iterator[None]:
    """Say in one line what the disk has against writing below `home`: raises AccessError or StorageError."""
    try:
        yield
    except EnginesError:
        raise
    except OSError as exc:
        where = Path(exc.filename) if isinstance(exc.filename, str) else home.root
        if exc.errno in _FORBIDDEN:
            raise AccessError(
                f"{where} may not be written ({exc.strerror}): name a folder of your own in MNV2_EDGE_HOME"
            ) from exc
        raise StorageError(
            f"{where} cannot be written ({exc.strerror}): free some space, or name another folder in MNV2_EDGE_HOME"
        ) from exc
