"""The memory before a build: a Jetson that runs out of it kills the process or the desktop without a message."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_engines.engine.device import read_meminfo
from mnv2_engines.errors import MemoryShortageError

__all__ = ["BuildNeeds", "FreeMemory", "estimate_needs", "read_free_memory", "require_memory"]

_GPU_MIB: Final = 512
"""CUDA's context and the builder's kernels, on an Orin; an estimate, never measured there."""
_LIBRARIES_MIB: Final = 512
"""TensorRT's libraries; likewise."""
_COPIES: Final = 10
"""The weights in the file, in the parser, in the builder's graph and in the plan, in float32 and FP16.

TensorRT for RTX, which needs no GPU to build, took 10 times a MobileNetV2's 14 MB, 2 of them to parse it."""
_GPU_COPIES: Final = 2
"""Those of them that a GPU would hold: the engine's, and what is being timed."""
_SMALL_WORKSPACE_MIB: Final = 256
"""Room enough for the layers of a MobileNetV2, whose largest tensor has 4.6 MiB in float32."""

_END_DESKTOP: Final = "`sudo systemctl isolate multi-user.target` ends the desktop"


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """What a process can still get, in MiB."""

    available: int
    swap: int


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """Rough upper bound of a build's memory, in MiB."""

    gpu: int
    """What the GPU uses: a Jetson has it in the common memory, and never in swap."""
    host: int
    """What the CPU uses, which swap can hold."""


def require_memory(model_bytes: int, workspace_mib: int, free: FreeMemory | None) -> None:
    """Raise MemoryShortageError when a build would hardly survive; `free` None is not known, and no reason.

    For a GPU that shares the memory of the CPU, as a Jetson's does.
    """
    if free is None:
        return
    needs = estimate_needs(model_bytes, workspace_mib)
    if free.available < needs.gpu:
        less = ", or lower --workspace-mib" if workspace_mib > _SMALL_WORKSPACE_MIB else ""
        raise MemoryShortageError(
            f"{free.available} MiB of memory are free, and a TensorRT build of this model needs up to {needs.gpu} MiB "
            f"for the GPU, {workspace_mib} of them as workspace, which swap cannot hold: end other programs "
            f"({_END_DESKTOP}){less}, and build again"
        )
    if free.available + free.swap < needs.gpu + needs.host:
        raise MemoryShortageError(
            f"{free.available} MiB of memory and {free.swap} MiB of swap are free, and a TensorRT build of this model "
            f"needs up to {needs.gpu + needs.host} MiB: end other programs ({_END_DESKTOP}), or add swap, and build "
            "again"
        )


def estimate_needs(model_bytes: int, workspace_mib: int) -> BuildNeeds:
    """Return what a build of a model of that size takes; a layer may use `workspace_mib` while it is timed."""
    return BuildNeeds(
        gpu=_GPU_MIB + workspace_mib + _GPU_COPIES * model_bytes // (1 << 20),
        host=_LIBRARIES_MIB + (_COPIES - _GPU_COPIES) * model_bytes // (1 << 20),
    )


def read_free_memory(root: Path = Path("/")) -> FreeMemory | None:
    """Read `/proc/meminfo` under `root`; None where there is none."""
    kib = read_meminfo(root)
    if "MemAvailable" not in kib or "SwapFree" not in kib:
        return None
    return FreeMemory(kib["MemAvailable"] // 1024, kib["SwapFree"] // 1024)
