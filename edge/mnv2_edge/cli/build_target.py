"""Choose what `build-engine` builds for, and refuse flags that the choice makes no sense of."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from mnv2_edge.errors import UsageError
from mnv2_engines.errors import BackendUnavailableError

if TYPE_CHECKING:
    from mnv2_engines.facts import EngineKind, Precision

__all__ = ["TargetChoice", "choose_precision", "choose_target", "require_ending"]

_log = logging.getLogger(__name__)

TargetChoice: TypeAlias = Literal["auto", "litert", "tensorrt"]


def choose_target(
    wanted: TargetChoice, precision: "Precision | None", output: Path | None, root: Path = Path("/")
) -> "EngineKind":
    """Return the target: the one that is named, else what output or int8 imply, else what this machine is.

    On a Jetson that is TensorRT. When it cannot be imported there, BackendUnavailableError says why: an engine for the
    CPU, silently, is not what somebody bought a Jetson for.
    """
    from mnv2_engines.mending import PLAN_SUFFIXES
    from mnv2_engines.tensorrt.jetson import is_jetson
    from mnv2_engines.tensorrt.module import import_tensorrt

    if wanted != "auto":
        return wanted
    if output is not None and output.suffix in PLAN_SUFFIXES:
        return "tensorrt"
    if output is not None or precision == "int8":
        return "litert"
    if not is_jetson(root):
        return "litert"
    try:
        import_tensorrt(root)
    except BackendUnavailableError as exc:
        raise BackendUnavailableError(
            f"this is a Jetson, but {exc}; or build for its CPU with --target litert"
        ) from exc
    _log.info("this is a Jetson: building for TensorRT; --target litert builds for its CPU")
    return "tensorrt"


def choose_precision(target: "EngineKind", wanted: "Precision | None") -> "Precision":
    """Return the precision: the target's usual one unless one is named. Raises UsageError for another target's."""
    if target == "tensorrt":
        if wanted == "int8":
            raise UsageError("--precision int8 is LiteRT's: for TensorRT expected fp16 or fp32")
        return wanted or "fp16"
    if wanted == "fp16":
        raise UsageError("--precision fp16 is TensorRT's: for LiteRT expected int8 (a third of the time) or fp32")
    return wanted or "int8"


def require_ending(target: "EngineKind", output: Path | None) -> None:
    """Raise UsageError for an output that could not be told from another kind of engine by its name."""
    from mnv2_engines.mending import PLAN_SUFFIXES

    endings = (".tflite",) if target == "litert" else tuple(sorted(PLAN_SUFFIXES, reverse=True))
    if output is not None and output.suffix not in endings:
        raise UsageError(
            f"--output {output} does not end in {' or '.join(endings)}: its manifest is named after it, ending in .json"
        )
