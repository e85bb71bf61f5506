"""Look at memory: what is kept for ribbon cameras, and what is left for everybody."""

from typing import Final

from mnv2_edge.board.contiguous import read_contiguous
from mnv2_edge.board.memory import read_memory
from mnv2_edge.doctor import Finding, Machine

__all__ = ["check_cma", "check_ram"]

_NEEDED_MIB: Final = 32
"""Four buffers of a sensor's picture, 2304x1296 at 10 bits, and four of 640x480 in colour: 19 MiB, and some room. An
estimate by the sizes in picamera2's configurations; never measured on a Pi."""
_RUN_MIB: Final = 120
"""A run with an ImageNet engine takes 113 MiB at its peak (docs/performance.md)."""
_WAITED_PERCENT: Final = 30.0
_BIGGEST: Final = "ps -eo rss,comm --sort=-rss | head"
_RECEIVER: Final = "unicam"
"""The driver of boards before the Pi 5, whose own needs no memory in one piece."""


def check_ram(machine: Machine) -> Finding:
    """Find too little memory for one more run; what instances of the service have they have already."""
    memory = read_memory(machine.root)
    if memory is None:
        return Finding("ok", "the kernel does not say how much is free")
    why = (
        f"{memory.left_mib} of {memory.total_mib} MiB can still be had, and {memory.swap_free_mib} MiB of swap are free"
    )
    if memory.left_mib + memory.swap_free_mib < _RUN_MIB:
        return Finding("warn", f"{why}; a run takes about {_RUN_MIB} MiB", _BIGGEST)
    if memory.waited_percent is not None and memory.waited_percent > _WAITED_PERCENT:
        return Finding("warn", f"{why}; programs waited for memory {memory.waited_percent:.0f} % of the time", _BIGGEST)
    return Finding("ok", why)


def check_cma(machine: Machine) -> Finding:
    """Find too little memory in one piece for the buffers of a ribbon camera; without such a camera none is needed."""
    found = read_contiguous(machine.root)
    if found is None:
        return Finding("ok", "this kernel keeps no memory in one piece (CMA)")
    why = f"{found.free} of {found.total} MiB of memory in one piece (CMA) are free"
    ribbon = [camera for camera in machine.list_cameras() if _RECEIVER in (camera.node.driver, camera.node.name[:6])]
    if not ribbon or found.free >= _NEEDED_MIB:
        return Finding("ok", why)
    return Finding(
        "warn",
        f"{why}, and a ribbon camera takes about {_NEEDED_MIB} where it is not open already: change "
        f"`dtoverlay=vc4-kms-v3d` in config.txt to `dtoverlay=vc4-kms-v3d,cma-128` (cma-256 from 1 GB of memory on), "
        "and reboot",
        "sudo nano /boot/firmware/config.txt",
    )
