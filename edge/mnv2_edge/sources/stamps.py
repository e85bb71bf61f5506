"""Bring the time stamps of drivers onto the monotonic clock."""

import time
from typing import Final

__all__ = ["monotonic_stamp"]

_OLDEST_NS: Final = 5_000_000_000


def monotonic_stamp(stamp_ns: int, now_ns: int) -> int:
    """Return a driver's stamp on the clock of `time.monotonic_ns()`; `now_ns`, the time of arrival, when it is no use.

    V4L2 and libcamera stamp with CLOCK_MONOTONIC or CLOCK_BOOTTIME (which counts the time in suspend too). One that
    does otherwise is found out by a stamp in the future or of long ago.
    """
    for offset_ns in (0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()):
        if 0 <= now_ns - (stamp_ns - offset_ns) < _OLDEST_NS:
            return stamp_ns - offset_ns
    return now_ns
