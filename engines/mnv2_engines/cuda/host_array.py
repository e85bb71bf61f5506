"""Show page-locked memory as an array that gives it back at its end."""

import ctypes
import weakref
from collections.abc import Callable

import numpy as np

from mnv2_engines.tensors import UInt8Array

__all__ = ["host_array"]


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
