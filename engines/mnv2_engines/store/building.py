"""Build engines into a store, and again from what it kept."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from mnv2_engines.build import BuildProgress, build_engine
from mnv2_engines.build_request import BuildRequest, BuildResult
from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.facts import EngineKind
from mnv2_engines.store.folder import Staging, Store
from mnv2_engines.store.listing import stored_id
from mnv2_engines.store.sources import read_request, write_sources
from mnv2_engines.store.trouble import explain_trouble
from mnv2_engines.store.version import SOURCE

__all__ = ["EngineBuilder", "build_stored", "publish", "rebuild_stored", "require_builder"]

_log = logging.getLogger(__name__)

EngineBuilder: TypeAlias = Callable[[BuildRequest, BuildProgress], BuildResult]
"""Writes an engine and its manifest to `request.output`, or a candidate beside it; see `build.build_engine`."""

_BUILDERS: Final[Mapping[EngineKind, tuple[str, EngineBuilder]]] = MappingProxyType(
    {"litert": (".tflite", build_engine), "tensorrt": (".plan", build_engine)}
)
"""Per target the ending of its files, and who builds it."""


def build_stored(
    store: Store,
    request: BuildRequest,
    progress: BuildProgress = lambda _phase, _done, _total: None,
    *,
    target: EngineKind = "litert",
) -> BuildResult:
    """Build an engine and let `request.name` mean it, with all that it takes to build it again; `output` is not used.

    What the name meant before runs on until then, and stays when the build fails; one that fails verification is put
    aside in the store. Of two builds of one name at once the one that ends last wins. Raises what the builder raises,
    StoreAccessError, StoreFullError.
    """
    ending, build = require_builder(target)
    with store.staging(request.name) as staging, explain_trouble(store.folder):
        output = staging.folder / f"{request.name}{ending}"
        result = build(dataclasses.replace(request, output=output, target=target), progress)
        progress("store", 0, 1)
        write_sources(staging.folder / SOURCE, request, target, result.manifest.model)
        if result.installed:
            publish(staging)
            folder = store.folder / request.name
        else:
            folder = staging.put_aside()
        progress("store", 1, 1)
    return dataclasses.replace(result, path=folder / result.path.name)


def rebuild_stored(
    store: Store,
    name: str,
    progress: BuildProgress = lambda _phase, _done, _total: None,
    *,
    threads: int = 1,
    cache_dir: Path | None = None,
) -> BuildResult:
    """Build a stored engine again for this machine, from the network and the pictures that were kept with it.

    Raises as `build_stored` does, UnknownEngineError, CorruptEngineError when what was kept is not as it was.
    """
    with store.pinned(name) as version, explain_trouble(store.folder):
        request, target = read_request(version.source, threads=threads, cache_dir=cache_dir)
        result = build_stored(store, request, progress, target=target)
    store.tidy(name)
    return result


def publish(staging: Staging) -> None:
    """Put an engine in its place, and say whose place that was."""
    before = stored_id(staging.store, staging.name)
    staging.publish()
    after = stored_id(staging.store, staging.name)
    if before is not None and before != after:
        _log.info("%s takes the place of %s", after or staging.name, before)


def require_builder(target: EngineKind) -> tuple[str, EngineBuilder]:
    """Return the ending of a target's files and its builder. Raises BackendUnavailableError when there is none."""
    if target not in _BUILDERS:
        raise BackendUnavailableError(f"{target} engines cannot be built by this version: expected litert")
    return _BUILDERS[target]
