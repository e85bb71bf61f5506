"""Change the user's own catalogue, one process at a time."""

from collections.abc import Mapping

import msgspec

from mnv2_engines.catalogue.entries import Catalogue, CatalogueModel
from mnv2_engines.catalogue.home import ModelHome, rewrite_file
from mnv2_engines.catalogue.reading import read_user_catalogue
from mnv2_engines.durable import alone_in

__all__ = ["forget_entry", "remember_entry"]


def remember_entry(home: ModelHome, name: str, entry: CatalogueModel) -> None:
    """Add an entry or replace the one of that name. Raises CatalogueError for a catalogue that cannot be read."""
    with alone_in(home.root):
        _write(home, {**_read(home), name: entry})


def forget_entry(home: ModelHome, name: str) -> None:
    """Take an entry out, if it is there. Raises CatalogueError for a catalogue that cannot be read."""
    with alone_in(home.root):
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
