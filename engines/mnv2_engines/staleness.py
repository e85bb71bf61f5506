"""Tell whether an engine still fits the device that it lies on."""

from pathlib import Path

from mnv2_engines.engine import Engine
from mnv2_engines.errors import EngineError, StaleEngineError
from mnv2_engines.facts import TensorRtFacts
from mnv2_engines.mending import how_to_rebuild

__all__ = ["explain_staleness", "require_fresh"]


def explain_staleness(engine: Engine, root: Path = Path("/")) -> str | None:
    """Say in one line why this engine must be built again and how; None when it may run.

    LiteRT engines run everywhere, so only what their golden test says counts (see `selftest`); a TensorRT plan is bound
    to versions and GPU. Nothing is deserialised. `root` is where the system's files are. Raises
    BackendUnavailableError when it is a plan and there is no TensorRT or no GPU, EngineError for a plan whose manifest
    does not say what it is bound to.
    """
    if engine.kind != "tensorrt":
        return None
    from mnv2_engines.tensorrt.fingerprint import read_fingerprint

    try:
        require_fresh(engine, read_fingerprint(root))
    except StaleEngineError as exc:
        return str(exc)
    return None


def require_fresh(engine: Engine, here: TensorRtFacts) -> None:
    """Raise StaleEngineError, naming both versions and the command, when a plan is bound to something else.

    Raises EngineError when its manifest does not say what it is bound to.
    """
    manifest = engine.manifest
    if manifest is None or manifest.tensorrt is None:
        raise EngineError(
            f"the manifest of {engine.path} does not say what the plan was built for: {how_to_rebuild(engine.path)}"
        )
    from mnv2_engines.tensorrt.fingerprint import find_differences

    differences = find_differences(manifest.tensorrt, here)
    if differences:
        raise StaleEngineError(
            f"{engine.path} does not fit this device any more: {', '.join(differences)}: "
            f"{how_to_rebuild(engine.path, manifest.model.file)}"
        )
