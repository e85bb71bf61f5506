"""What both Python packages for CUDA share: page-locked arrays, and the same words for what is missing."""

import ctypes
import weakref
from collections.abc import Callable

import numpy as np

from mnv2_engines.tensors import UInt8Array

__all__ = ["cuda_version", "host_array", "no_gpu", "old_driver"]


def host_array(address: int, size: int, free: Callable[[], object]) -> UInt8Array:
    """Return `size` bytes at `address`, zeroed; `free` is called when the last array that shows any of them is gone.

    In whichever thread that is, and not when the process ends.
    """
    block = (ctypes.c_uint8 * size).from_address(address)
    # The array keeps the block alive, and the block's end is the memory's.
    weakref.finalize(block, free).atexit = False
    array = np.frombuffer(memoryview(block), np.uint8)
    array.fill(0)
    return array


def cuda_version(number: int) -> str:
    """Return `12.6` for 12060, which is how CUDA writes it."""
    return f"{number // 1000}.{number % 1000 // 10}"


def no_gpu(reason: str) -> str:
    """Return the message for a machine on which CUDA finds no GPU; `reason` is CUDA's own text."""
    return (
        f"there is no NVIDIA GPU that this process can use ({reason}): in a container start it with "
        "`--runtime nvidia`; on other machines `mnv2-edge build-engine MODEL.onnx --target litert --calibration FOLDER`"
    )


def old_driver(package: str, serves: str, needs: str) -> str:
    """Return the message for a Python package that is newer than the driver."""
    major = serves.partition(".")[0]
    return (
        f"{package} needs a driver for CUDA {needs}, this one serves CUDA {serves}: "
        f"`pip install 'cuda-python>={major},<{int(major) + 1}'`"
    )
