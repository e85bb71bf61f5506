"""What a TensorRT plan is bound to, how that differs from what is here, and whether the plan is stale."""

from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

from mnv2_engines.cuda import Gpu
from mnv2_engines.cuda.runtime import open_cuda
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.manifest import Manifest
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import EngineError
from mnv2_engines.proof.staleness import stale_error
from mnv2_engines.tensorrt.jetson import read_jetson
from mnv2_engines.tensorrt.module import import_tensorrt

__all__ = [
    "TensorRtFacts",
    "describe_tensorrt",
    "explain_changes",
    "find_differences",
    "read_bounds",
    "read_fingerprint",
    "require_fresh",
    "write_bounds",
]

_WORDS: Final = {
    "tensorrt": "TensorRT",
    "cuda": "CUDA",
    "l4t": "L4T",
    "jetpack": "JetPack",
    "gpu": "GPU",
    "compute_capability": "compute capability",
}
"""What manifests and messages call each fact."""
_COMPARED: Final = ("tensorrt", "cuda", "l4t", "gpu", "compute_capability")


class TensorRtFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a TensorRT plan is bound to; an empty string is what could not be found out."""

    tensorrt: str
    """`tensorrt.__version__`, for example `10.3.0`."""
    cuda: str
    """What the driver serves, for example `12.6`: the same whichever Python package asks."""
    l4t: str
    """For example `36.4.0`."""
    jetpack: str
    """For example `6.1`. Told, not compared: the package may come and go, and what matters of it is in the others."""
    gpu: str
    """For example `Orin`."""
    compute_capability: str
    """For example `8.7`."""


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
    for field in _COMPARED:
        before, now = getattr(built, field), getattr(here, field)
        if before and now and before != now:
            changes.append(f"{_WORDS[field]} {before} became {now}")
    return tuple(changes)


def write_bounds(facts: TensorRtFacts) -> dict[str, str]:
    """Return the facts as a manifest has them (`Manifest.bound_to`), without the unknown ones."""
    return {word: value for field, word in _WORDS.items() if (value := getattr(facts, field))}


def read_bounds(manifest: Manifest) -> TensorRtFacts | None:
    """Return what a plan is bound to; None when its manifest does not say."""
    if not manifest.bound_to:
        return None
    return TensorRtFacts(**{field: manifest.bound_to.get(word, "") for field, word in _WORDS.items()})


def explain_changes(manifest: Manifest, root: Path = Path("/")) -> str | None:
    """Say in one line what has changed since a plan was built; None when it may run. Nothing is deserialised.

    `root` is where the system's files are. Raises BackendUnavailableError when there is no TensorRT or no GPU,
    EngineError for a manifest that does not say what its plan is bound to.
    """
    built = _require_bounds(manifest, Path(manifest.engine.file))
    return ", ".join(find_differences(built, read_fingerprint(root))) or None


def require_fresh(engine: Engine, here: TensorRtFacts) -> None:
    """Raise StaleEngineError, naming both versions and the command, when a plan is bound to something else.

    Raises EngineError when its manifest does not say what it is bound to.
    """
    manifest = engine.require_manifest()
    differences = find_differences(_require_bounds(manifest, engine.path), here)
    if differences:
        raise stale_error(engine, ", ".join(differences))


def _require_bounds(manifest: Manifest, path: Path) -> TensorRtFacts:
    built = read_bounds(manifest)
    if built is None:
        raise EngineError(f"the manifest of {path} does not say what the plan was built for", how_to_rebuild(path))
    return built
