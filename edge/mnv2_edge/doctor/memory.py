"""Look at memory: what is kept for ribbon cameras, and what is left for everybody."""

from typing import Final

from mnv2_edge.board.contiguous import read_contiguous
from mnv2_edge.doctor import Finding, Machine

__all__ = ["check_cma"]

_NEEDED_MIB: Final = 32
"""Four buffers of a sensor's picture, 2304x1296 at 10 bits, and four of 640x480 in colour: 19 MiB, and some room. An
estimate by the sizes in picamera2's configurations; never measured on a Pi."""
_RECEIVER: Final = "unicam"
"""The driver of boards before the Pi 5, whose own needs no memory in one piece."""
_LARGE_BOARD_MIB: Final = 900
"""The overlay's cma-256 needs 1 GB of memory; the kernel counts a little less."""


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
