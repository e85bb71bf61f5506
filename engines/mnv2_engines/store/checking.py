"""Find out whether a stored engine still is what it was, and still does here what it did."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_engines.engine import Engine, read_engine
from mnv2_engines.errors import CorruptEngineError, EngineError, EnginesError, StaleEngineError, UnbuiltEngineError
from mnv2_engines.selftest import load_in_child
from mnv2_engines.store.folder import Store
from mnv2_engines.store.sources import check_sources
from mnv2_engines.store.trouble import explain_trouble
from mnv2_engines.store.version import Version

__all__ = ["State", "StoredCheck", "verify_stored"]

State: TypeAlias = Literal["ok", "unbuilt", "stale", "damaged", "failed"]
"""`unbuilt`, `stale` and `damaged` engines can be built again; `failed`: its sources are damaged, or nothing is
known."""


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """What became of looking at one engine."""

    name: str
    state: State
    why: str = ""
    """What is wrong, in one line; empty when all is well."""
    engine: Engine | None = None
    """When all is well."""


def verify_stored(store: Store, name: str, load: Callable[[Path], None] = load_in_child) -> StoredCheck:
    """Hash everything that belongs to an engine, and run its golden test in a child process, remembered or not.

    Raises UnknownEngineError and StoreAccessError; everything else that is wrong is told.
    """
    try:
        with store.pinned(name) as version, explain_trouble(store.folder):
            return _verify(version, load)
    except CorruptEngineError as exc:  # its version is gone
        return StoredCheck(name, "failed", str(exc))


def _verify(version: Version, load: Callable[[Path], None]) -> StoredCheck:
    name = version.name
    try:
        check_sources(version.source)
    except (CorruptEngineError, OSError) as exc:
        return StoredCheck(name, "failed", str(exc))
    try:
        engine = read_engine(version.engine_path())
        load(engine.path)
    except UnbuiltEngineError as exc:
        return StoredCheck(name, "unbuilt", str(exc))
    except StaleEngineError as exc:
        return StoredCheck(name, "stale", str(exc))
    except EngineError as exc:
        return StoredCheck(name, "damaged", str(exc))
    except EnginesError as exc:
        return StoredCheck(name, "failed", str(exc))
    return StoredCheck(name, "ok", engine=engine)
