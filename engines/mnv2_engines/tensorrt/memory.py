"""Look at the memory before a build: a Jetson that runs out of it kills the process, or the desktop, without a word."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_engines.errors import MemoryShortageError
from mnv2_engines.meminfo import read_meminfo

__all__ = ["FreeMemory", "estimate_mib", "read_free_memory", "require_memory"]

_LIBRARIES_MIB: Final = 1024
"""CUDA's context, TensorRT's libraries and its builder's kernels, on an Orin; an estimate, never measured there."""
_COPIES: Final = 10
"""The weights in the file, in the parser, in the builder's graph and in the plan, in float32 and FP16.

TensorRT for RTX, which needs no GPU to build, took 10 times a MobileNetV2's 14 MB, 2 of them to parse it."""


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """What a process can still get, in MiB."""

    available: int
    swap: int


def require_memory(model_bytes: int, free: FreeMemory | None) -> None:
    """Raise MemoryShortageError when a build would hardly survive; `free` None is not known, and no reason.

    Swap counts: it cannot hold what the GPU uses, but takes what else is in memory out of its way.
    """
    if free is None:
        return
    needed = estimate_mib(model_bytes)
    if free.available + free.swap < needed:
        raise MemoryShortageError(
            f"{free.available} MiB of memory and {free.swap} MiB of swap are free, and a TensorRT build of this model "
            f"needs about {needed} MiB: end other programs (`sudo systemctl isolate multi-user.target` ends the "
            "desktop), or add swap, and build again"
        )


def estimate_mib(model_bytes: int) -> int:
    """Return what a build of a model of that size takes, roughly."""
    return _LIBRARIES_MIB + _COPIES * model_bytes // (1 << 20)


def read_free_memory(root: Path = Path("/")) -> FreeMemory | None:
    """Read `/proc/meminfo` under `root`; None where there is none."""
    kib = read_meminfo(root)
    if "MemAvailable" not in kib or "SwapFree" not in kib:
        return None
    return FreeMemory(kib["MemAvailable"] // 1024, kib["SwapFree"] // 1024)
