"""Whether a stored engine can serve here: check it, rebuild it before it runs, or find a substitute."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mnv2_engines.engine.engine import Engine, read_engine
from mnv2_engines.errors import CorruptEngineError, EngineError, EnginesError, StaleEngineError, UnbuiltEngineError
from mnv2_engines.proof.self_test import ensure_tested, load_in_child
from mnv2_engines.store.errors import explain_store_error
from mnv2_engines.store.folder import Store
from mnv2_engines.store.recipe import Recipe
from mnv2_engines.store.sources import check_sources, read_recipe
from mnv2_engines.store.version import Version
from mnv2_engines.tensorrt.fingerprint import explain_staleness

__all__ = [
    "BuildPolicy",
    "State",
    "StoredCheck",
    "find_fault",
    "find_substitute",
    "make_ready",
    "verify_stored",
    "why_rebuild",
]

_log = logging.getLogger(__name__)

BuildPolicy: TypeAlias = Literal["never", "missing", "stale"]
"""`never` builds nothing. `missing` builds what came from another device and was not built on this one yet. `stale`
builds that, and what does not pass here any more: after an upgrade, on another board, or because its file is damaged.
"""


def make_ready(
    store: Store, name: str, policy: BuildPolicy, *, threads: int = 1, cache_dir: Path | None = None
) -> None:
    """Make sure that a stored engine runs here, as far as `policy` goes; it takes from no time to minutes.

    Raises what is wrong with the engine where the policy does not reach, and what `rebuild_stored` raises; an engine
    that was there stays where building fails.
    """
    trouble = find_fault(store, name, cache_dir)
    if trouble is None:
        return
    allowed = isinstance(trouble, UnbuiltEngineError) if policy == "missing" else policy == "stale"
    if not allowed:
        raise trouble
    from mnv2_engines.store.build import rebuild_stored  # the compiler: a start that builds nothing does without

    _log.warning("%s has to be built on this device first: %s", name, trouble)
    began = time.monotonic()
    rebuild_stored(store, name, threads=threads, cache_dir=cache_dir).require_installed()
    _log.info("%s was built in %.0f s", name, time.monotonic() - began)


def find_fault(store: Store, name: str, cache_dir: Path | None) -> EngineError | None:
    """Return why an engine has to be built; raise what building would not mend."""
    with store.pinned(name) as version:
        try:
            engine = read_engine(version.engine_path())
            ensure_tested(engine, cache_dir)
            stale = explain_staleness(engine)
        except (StaleEngineError, CorruptEngineError) as exc:
            return exc
    return StaleEngineError(stale) if stale is not None else None


_MEND: Final = ": build it again with"
"""How such a message ends (see `mending`): it is for somebody who has to do it."""


def why_rebuild(store: Store, name: str) -> str | None:
    """Return why a stored TensorRT plan has to be built again; None when it fits, and for every other kind of engine.

    Raises UnknownEngineError, CorruptEngineError for a damaged recipe, and BackendUnavailableError when there is no
    TensorRT or no GPU: then building would not help.
    """
    if _recipe(store, name).target != "tensorrt":
        return None
    trouble = find_fault(store, name, None)
    return None if trouble is None else str(trouble).partition(_MEND)[0]


def find_substitute(store: Store, name: str) -> str | None:
    """Return a LiteRT engine of the same network, by the model's bytes and task; None when none is there and well."""
    wanted = _recipe(store, name)
    return next((other for other in store.names() if _stands_in(store, other, wanted)), None)


def _stands_in(store: Store, name: str, wanted: Recipe) -> bool:
    try:
        recipe = _recipe(store, name)
        same = (recipe.model.sha256, recipe.task, recipe.labels) == (wanted.model.sha256, wanted.task, wanted.labels)
        return same and recipe.target == "litert" and find_fault(store, name, None) is None
    except EnginesError:  # one that is damaged stands in for nothing
        return False


def _recipe(store: Store, name: str) -> Recipe:
    with store.pinned(name) as version:
        return read_recipe(version.source)


State: TypeAlias = Literal["ok", "unbuilt", "stale", "damaged", "failed"]
"""`unbuilt`, `stale` and `damaged` engines can be built again; `failed`: its sources are damaged, or nothing is
known."""


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """Result of the check of one engine."""

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
        with store.pinned(name) as version, explain_store_error(store.folder):
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
