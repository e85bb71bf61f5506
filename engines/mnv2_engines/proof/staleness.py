"""Whether an engine that is bound to one kind of device still fits this one."""

from pathlib import Path

from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import StaleEngineError

__all__ = ["require_fresh", "stale_error"]


def require_fresh(engine: Engine, root: Path = Path("/")) -> None:
    """Raise StaleEngineError, naming what has changed and the command, when an engine must be built again.

    A portable engine is judged by its golden test instead (`mnv2_engines.proof.golden`). Nothing is deserialised.
    `root` is where the system's files are. Raises BackendUnavailableError when nobody can tell here.
    """
    if engine.format.portable:
        return
    changed = engine.format.why_stale(engine.require_manifest(), root)
    if changed is not None:
        raise stale_error(engine, changed)


def stale_error(engine: Engine, changed: str) -> StaleEngineError:
    """Return the error about an engine that does not fit this device any more."""
    model = engine.manifest.model.file if engine.manifest else "MODEL.onnx"
    return StaleEngineError(
        f"{engine.path} does not fit this device any more: {changed}", how_to_rebuild(engine.path, model)
    )
