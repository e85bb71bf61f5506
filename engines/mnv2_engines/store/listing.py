"""The contents of a store, without a run or a hash of anything."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mnv2_engines.engine.manifest import Manifest
from mnv2_engines.errors import CorruptEngineError, UnbuiltEngineError
from mnv2_engines.store.errors import explain_store_error
from mnv2_engines.store.folder import Store
from mnv2_engines.store.recipe import Recipe
from mnv2_engines.store.sources import read_recipe
from mnv2_engines.store.version import Version, read_stored_manifest

__all__ = ["Entry", "Presence", "describe_stored", "list_stored", "stored_id"]

Presence: TypeAlias = Literal["built", "unbuilt", "damaged"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One engine of a store, as far as its manifest and recipe tell."""

    name: str
    is_default: bool
    presence: Presence
    why: str = ""
    """When it is not `built`: what is the matter, in one line."""
    version: Version | None = None
    manifest: Manifest | None = None
    recipe: Recipe | None = None

    @property
    def id(self) -> str | None:
        """Return what records call the engine, as `Engine.id`; None when none is built."""
        return f"{self.manifest.name}@{self.manifest.engine.sha256[:12]}" if self.manifest else None


def list_stored(store: Store) -> tuple[Entry, ...]:
    """Describe every engine, whatever is wrong with some. Raises StoreAccessError."""
    return tuple(describe_stored(store, name) for name in store.names())


def stored_id(store: Store, name: str) -> str | None:
    """Return what records call the engine that a name means now; None when there is none, or it says no more."""
    return describe_stored(store, name).id if name in store.names() else None


def describe_stored(store: Store, name: str) -> Entry:
    """Describe one engine. Raises UnknownEngineError, StoreAccessError."""
    is_default = store.default() == name
    version: Version | None = None
    manifest: Manifest | None = None
    recipe: Recipe | None = None
    presence: Presence = "built"
    why = ""
    try:
        with store.pinned(name) as version, explain_store_error(store.folder):
            recipe = read_recipe(version.source)
            manifest = read_stored_manifest(version.folder, name)
    except UnbuiltEngineError as exc:
        presence, why = "unbuilt", str(exc)
    except CorruptEngineError as exc:
        presence, why = "damaged", str(exc)
    return Entry(name, is_default, presence, why, version, manifest, recipe)
