"""A TensorRT plan of an ONNX file: one way for 8.6 to 11.x, which branches where their Python modules differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from mnv2_engines.errors import BackendUnavailableError, BuildError, EnginesError, MemoryShortageError, ModelError
from mnv2_engines.tensorrt.build_control import PercentDone, catch_interrupts, make_monitor
from mnv2_engines.tensorrt.build_log import TensorRtLog, make_logger
from mnv2_engines.tensorrt.network import PlanPrecision, is_typed, parse_network
from mnv2_engines.tensorrt.timing_cache import TimingCache

__all__ = ["OPTIMIZATION_LEVEL", "WORKSPACE_MIB", "PlanOptions", "ShapeRange", "build_plan"]


WORKSPACE_MIB: Final = 1024
"""More than any layer of a MobileNetV2 uses; TensorRT's own default is all that the GPU has, which is all there is."""
OPTIMIZATION_LEVEL: Final = 3
"""TensorRT's own default, of 0 to 5, from 8.6 on."""

_NO_GPU: Final = re.compile(r"CUDA initialization failure|no CUDA-capable device|cudaError (?:35|100)\b")
_NO_MEMORY: Final = re.compile(r"out of memory|OutOfMemory|memory allocation", re.IGNORECASE)
_NO_PROFILE: Final = re.compile(r"no optimization profile has been defined", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ShapeRange:
    """The shapes that an input with open dimensions may have, each with all its dimensions."""

    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    """What TensorRT optimises for."""
    maximum: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How to build."""

    precision: PlanPrecision = "fp16"
    """An FP16 plan on 10 and later needs a file in FP16: `network.make_network_file`."""
    workspace_mib: int = WORKSPACE_MIB
    """What a layer may use for itself while it runs. A Jetson's GPU has no memory of its own."""
    optimization_level: int = OPTIMIZATION_LEVEL
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)
    """Of inputs with open dimensions; there are none once `onnx_file.fix_batch` has closed the batch."""


def build_plan(
    trt: ModuleType,
    onnx: bytes,
    options: PlanOptions,
    *,
    timings: TimingCache | None = None,
    progress: PercentDone = lambda _percent: None,
) -> bytes:
    """Return the plan of an ONNX file; minutes on a Jetson, and bound to its GPU and to this TensorRT.

    `trt` is the module (`module.import_tensorrt`). `timings` are read, and added to. TensorRT itself only returns None,
    False or -1; every error holds what it said. Raises ModelError for a network that it does not take,
    BackendUnavailableError without a GPU, MemoryShortageError, BuildError for the rest. Ctrl-C or SIGTERM: what the
    program's own handler raises, or KeyboardInterrupt; at once from 10 on, on 8.6 when the build has ended.
    """
    log = TensorRtLog()
    logger = make_logger(trt, log)
    with catch_interrupts() as interrupted:
        plan = _build(trt, log, logger, onnx, options, timings, progress, interrupted.is_set)
    if plan is None:
        raise _explain(trt, log, "built nothing")
    return plan


def _build(
    trt: ModuleType,
    log: TensorRtLog,
    logger: object,
    onnx: bytes,
    options: PlanOptions,
    timings: TimingCache | None,
    progress: PercentDone,
    interrupted: Callable[[], bool],
) -> bytes | None:
    builder = _make(lambda: trt.Builder(logger), "start its builder", trt, log)
    network, _parser = parse_network(trt, builder, logger, log, onnx)
    config = _make(builder.create_builder_config, "make a configuration", trt, log)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    config.builder_optimization_level = options.optimization_level
    _set_precision(trt, config, options.precision)
    if options.shapes:
        _add_profile(builder, config, options.shapes, log)
    if timings is not None:
        timings.load(config)
    if hasattr(trt, "IProgressMonitor"):  # 8.6 has none: one long silence, and Ctrl-C counts at its end
        monitor = make_monitor(trt, progress, interrupted)  # alive until the build has ended
        config.progress_monitor = monitor
    log.forget()
    plan = builder.build_serialized_network(network, config)
    if plan is not None and timings is not None:
        timings.save(config)
    return None if plan is None else bytes(plan)


def _make(make: Callable[[], Any], what: str, trt: ModuleType, log: TensorRtLog) -> Any:  # noqa: ANN401 - TensorRT has no types
    """Return what `make` makes; its constructors raise TypeError, its methods return None, when they cannot."""
    try:
        made = make()
    except (TypeError, RuntimeError) as exc:
        raise _explain(trt, log, f"cannot {what}") from exc
    if made is None:
        raise _explain(trt, log, f"cannot {what}")
    return made


def _set_precision(trt: ModuleType, config: Any, precision: PlanPrecision) -> None:  # noqa: ANN401 - TensorRT has no types
    if precision == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default: float32 with the 11 bits of FP16
    elif not is_typed(trt):
        config.set_flag(trt.BuilderFlag.FP16)


def _add_profile(builder: Any, config: Any, shapes: Mapping[str, ShapeRange], log: TensorRtLog) -> None:  # noqa: ANN401 - TensorRT has no types
    profile = builder.create_optimization_profile()
    log.forget()
    try:
        for name, range_ in shapes.items():
            profile.set_shape(name, range_.minimum, range_.optimum, range_.maximum)
        accepted = config.add_optimization_profile(profile) >= 0
    except (ValueError, TypeError, RuntimeError) as exc:
        raise ModelError(f"TensorRT refuses the shapes {_shown(shapes)}: {exc}; {log.said()}; {_ORDER}") from exc
    if not accepted:
        raise ModelError(f"TensorRT refuses the shapes {_shown(shapes)}: {log.said()}; {_ORDER}")


def _explain(trt: ModuleType, log: TensorRtLog, what: str) -> EnginesError:
    """Return the error for what TensorRT said."""
    said = log.said()
    name = f"TensorRT {trt.__version__} {what}"
    if _NO_GPU.search(said):
        return BackendUnavailableError(
            f"{name}, for there is no NVIDIA GPU that it can use: {said}; a plan is built on the Jetson that runs it, "
            "and a container needs `--runtime nvidia`; without a GPU build with --target litert"
        )
    if _NO_MEMORY.search(said):
        return MemoryShortageError(
            f"{name}, for memory ran out: {said}; end other programs, or allow less with --workspace-mib, and build "
            "again"
        )
    if _NO_PROFILE.search(said):
        return ModelError(
            f"{name}, for the network leaves more than its batch open: {said}; export it with a fixed height and width"
        )
    return BuildError(
        f"{name}: {said}; try --optimization-level 2 or --precision fp32, and --debug to see all that it says"
    )


_ORDER: Final = "expected minimum <= optimum <= maximum, for each dimension that the file leaves open"


def _shown(shapes: Mapping[str, ShapeRange]) -> str:
    return ", ".join(
        f"{name!r} {list(range_.minimum)} to {list(range_.maximum)}, best {list(range_.optimum)}"
        for name, range_ in shapes.items()
    )
