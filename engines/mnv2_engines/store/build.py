"""Builds of engines into a store, and rebuilds from what it kept."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mnv2_engines.building.build import BuildProgress, build_engine
from mnv2_engines.building.request import BuildRequest, BuildResult
from mnv2_engines.engine.facts import EngineKind
from mnv2_engines.store.errors import explain_store_error
from mnv2_engines.store.folder import Staging, Store
from mnv2_engines.store.listing import stored_id
from mnv2_engines.store.sources import read_request, write_sources
from mnv2_engines.store.version import SOURCE

__all__ = ["build_stored", "publish", "rebuild_stored"]

_log = logging.getLogger(__name__)

_ENDINGS: Final[Mapping[EngineKind, str]] = MappingProxyType({"litert": ".tflite", "tensorrt": ".plan"})
"""Of the files that a store keeps engines in."""


def build_stored(
    store: Store,
    request: BuildRequest,
    progress: BuildProgress = lambda _phase, _done, _total: None,
    build: Callable[[BuildRequest, BuildProgress], BuildResult] = build_engine,
) -> BuildResult:
    """Build an engine and let `request.name` mean it, with all that it takes to build it again; `output` is not used.

    What the name meant before runs on until then, and stays when the build fails; one that fails verification is put
    aside in the store. Of two builds of one name at once the one that ends last wins. Raises what the builder raises,
    StoreAccessError, DiskError.
    """
    with store.staging(request.name) as staging, explain_store_error(store.folder):
        output = staging.folder / f"{request.name}{_ENDINGS[request.target]}"
        result = build(dataclasses.replace(request, output=output), progress)
        progress("store", 0, 1)
        write_sources(staging.folder / SOURCE, request, result.manifest.model)
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
    build: Callable[[BuildRequest, BuildProgress], BuildResult] = build_engine,
) -> BuildResult:
    """Build a stored engine again for this machine, from the network and the pictures that were kept with it.

    Raises as `build_stored` does, UnknownEngineError, CorruptEngineError when what was kept is not as it was.
    """
    with store.pinned(name) as version, explain_store_error(store.folder):
        request = read_request(version.source, threads=threads, cache_dir=cache_dir)
        result = build_stored(store, request, progress, build)
    store.tidy(name)
    return result


def publish(staging: Staging) -> None:
    """Put an engine in its place, and say whose place that was."""
    before = stored_id(staging.store, staging.name)
    staging.publish()
    after = stored_id(staging.store, staging.name)
    if before is not None and before != after:
        _log.info("%s takes the place of %s", after or staging.name, before)
