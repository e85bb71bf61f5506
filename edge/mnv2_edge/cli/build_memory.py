"""Keep a build's peak memory low."""

import ctypes
from typing import Final

__all__ = ["return_memory_early"]

_M_MMAP_THRESHOLD: Final = -3  # malloc.h of glibc
_THRESHOLD_BYTES: Final = 1 << 20


def return_memory_early() -> None:
    """Have the C library give arrays of 1 MiB and more back to the system as soon as they are freed.

    glibc by default raises that threshold to up to 32 MiB as it sees large blocks freed (mallopt(3)), and then the
    holes left by one phase of a build add to the peak of the next: 20 MiB for a MobileNetV2. Musl has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
