"""What a TensorRT plan is bound to, how that differs from what is here, and whether the plan is stale."""

from pathlib import Path
from types import ModuleType
from typing import Final

from mnv2_engines.cuda import Gpu
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.facts import TensorRtFacts
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import EngineError, StaleEngineError
from mnv2_engines.tensorrt.jetson import read_jetson
from mnv2_engines.tensorrt.module import import_tensorrt

__all__ = ["describe_tensorrt", "explain_staleness", "find_differences", "read_fingerprint", "require_fresh"]

_COMPARED: Final = (
    ("tensorrt", "TensorRT"),
    ("cuda", "CUDA"),
    ("l4t", "L4T"),
    ("gpu", "GPU"),
    ("compute_capability", "compute capability"),
)


def describe_tensorrt(trt: ModuleType, gpu: Gpu, root: Path = Path("/")) -> TensorRtFacts:
    """Return what a plan that is built here and now is bound to; `root` is where the system's files are."""
    jetson = read_jetson(root)
    return TensorRtFacts(
        tensorrt=str(trt.__version__),
        cuda=gpu.driver_cuda,
        l4t=jetson.l4t,
        jetpack=jetson.jetpack,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
    )


def read_fingerprint(root: Path = Path("/")) -> TensorRtFacts:
    """Ask TensorRT, the driver and the system. Raises BackendUnavailableError when there is no TensorRT or no GPU."""
    trt = import_tensorrt(root)
    cuda = open_cuda()
    try:
        return describe_tensorrt(trt, cuda.gpu, root)
    finally:
        cuda.close()


def find_differences(built: TensorRtFacts, here: TensorRtFacts) -> tuple[str, ...]:
    """Return what has changed since the plan was built, as `TensorRT 10.3.0 became 10.7.0`; empty when it still fits.

    What is unknown on one side is not compared: a container does not always see the host's L4T.
    """
    changes = []
    for field, word in _COMPARED:
        before, now = getattr(built, field), getattr(here, field)
        if before and now and before != now:
            changes.append(f"{word} {before} became {now}")
    return tuple(changes)


def explain_staleness(engine: Engine, root: Path = Path("/")) -> str | None:
    """Return in one line why this engine must be built again and how; None when it may run.

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
