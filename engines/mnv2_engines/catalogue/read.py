"""The package's catalogue and the user's own, and the search for a model in them."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from mnv2_engines.catalogue.entries import Catalogue, CatalogueModel
from mnv2_engines.errors import CatalogueError, ContractError
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular

__all__ = ["KnownModels", "decode_catalogue", "read_package_catalogue", "read_user_catalogue"]

_PACKAGED: Final = Path(__file__).with_name("catalogue.yaml")


class KnownModels:
    """Models of both catalogues by name; a user's model cannot take a name of the package's."""

    def __init__(self, package: Catalogue, user: Catalogue | None = None) -> None:
        added = user.models if user else {}
        own = {name: model for name, model in added.items() if name not in package.models}
        self.hidden = tuple(name for name in added if name in package.models)
        """Names of the user's that the package has, too: what they mean is the package's."""
        self.models: Mapping[str, CatalogueModel] = MappingProxyType({**package.models, **own})
        self.own = frozenset(own)
        """Names that the user added."""
        self.default = package.default or next(iter(package.models))

    def find(self, name: str) -> CatalogueModel:
        """Return the model of that name. Raises ContractError that names the nearest."""
        if name in self.models:
            return self.models[name]
        near = difflib.get_close_matches(name, self.models, n=1)
        hint = f"did you mean {near[0]}?" if near else "`mnv2-edge models list` shows those that there are"
        raise ContractError(f"there is no model {name!r} in the catalogue: {hint}")


def read_package_catalogue() -> Catalogue:
    """Return the catalogue that comes with the package."""
    return decode_catalogue(_PACKAGED.read_bytes(), _PACKAGED)


def read_user_catalogue(path: Path) -> Catalogue | None:
    """Return what the user added; None when there is nothing. Raises CatalogueError that says what is wrong."""
    try:
        raw = read_regular(path, SETTINGS_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise CatalogueError(f"{path} cannot be read ({exc.strerror}): expected a catalogue of models") from exc
    return decode_catalogue(raw, path)


def decode_catalogue(raw: bytes, path: Path) -> Catalogue:
    """Read YAML. Raises CatalogueError that says what is wrong and where."""
    import yaml

    try:
        return msgspec.convert(yaml.safe_load(raw), Catalogue)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise CatalogueError(f"{path} is not YAML ({' '.join(str(exc).split())}): mend it or remove it") from exc
    except msgspec.ValidationError as exc:
        raise CatalogueError(f"{path}: {exc}: mend it, docs/models.md shows an entry, or remove it") from exc
