"""Build a stored engine before it runs, when it does not run here as it is and whoever starts it allows that."""

import logging
import time
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_engines.engine import read_engine
from mnv2_engines.errors import CorruptEngineError, EngineError, StaleEngineError, UnbuiltEngineError
from mnv2_engines.selftest import ensure_tested
from mnv2_engines.staleness import explain_staleness
from mnv2_engines.store.folder import Store

__all__ = ["BuildPolicy", "find_trouble", "make_ready"]

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
    trouble = find_trouble(store, name, cache_dir)
    if trouble is None:
        return
    allowed = isinstance(trouble, UnbuiltEngineError) if policy == "missing" else policy == "stale"
    if not allowed:
        raise trouble
    from mnv2_engines.store.building import rebuild_stored  # the compiler: a start that builds nothing does without

    _log.warning("%s has to be built on this device first: %s", name, trouble)
    began = time.monotonic()
    rebuild_stored(store, name, threads=threads, cache_dir=cache_dir).require_installed()
    _log.info("%s was built in %.0f s", name, time.monotonic() - began)


def find_trouble(store: Store, name: str, cache_dir: Path | None) -> EngineError | None:
    """Return why an engine has to be built; raise what building would not mend."""
    with store.pinned(name) as version:
        try:
            engine = read_engine(version.engine_path())
            ensure_tested(engine, cache_dir)
            stale = explain_staleness(engine)
        except (StaleEngineError, CorruptEngineError) as exc:
            return exc
    return StaleEngineError(stale) if stale is not None else None
