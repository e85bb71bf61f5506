"""Time: intervals from the monotonic clock, the wall clock only for what is published."""

import ctypes
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from mnv2_engines.files.regular_file import read_start

__all__ = ["Clock", "Timer", "Timestamp", "boot_id", "clock_synced", "monotonic_stamp", "stamp"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ASK_AGAIN_NS = 10_000_000_000
_TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronised
_TIMEX_BYTES = 256  # struct timex has 208 bytes on 64-bit Linux, 128 on 32-bit; all zeros asks and sets nothing


_DATE_TIME: Final = {"format": "date-time"}


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Time of an event, with what a reader needs when a clock starts wrong and jumps."""

    time: Annotated[
        str, Meta(description="Wall clock, RFC 3339 in UTC with milliseconds.", extra_json_schema=_DATE_TIME)
    ]
    monotonic_ns: Annotated[
        int, Meta(description="The kernel's monotonic clock; comparable within one `boot_id` only.")
    ]
    boot_id: Annotated[str, Meta(description="The kernel's id of this boot; empty where there is none.")]
    clock_synced: Annotated[
        bool,
        Meta(description="Whether something (NTP, usually) keeps the wall clock right; if not, `time` may be off."),
    ]


def boot_id() -> str:
    """Return the kernel's id of this boot; empty where there is none."""
    try:
        return read_start(_BOOT_ID, 256).decode().strip()
    except OSError:
        return ""


def clock_synced() -> bool:
    """Return True when the kernel says that something keeps its wall clock right (adjtimex(2), no privilege needed)."""
    libc = ctypes.CDLL(None)
    adjtimex = getattr(libc, "adjtimex", None)
    if adjtimex is None:
        return False
    state: int = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= state < _TIME_ERROR


def stamp(monotonic_ns: int, boot: str, *, synced: bool) -> Timestamp:
    """Return the time stamp of the moment at which the monotonic clock showed `monotonic_ns`."""
    wall = time.time() - (time.monotonic_ns() - monotonic_ns) / 1e9
    text = datetime.fromtimestamp(wall, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Timestamp(text, monotonic_ns, boot, synced)


class Clock:
    """Source of time stamps; it asks the kernel only now and then whether the wall clock is right."""

    def __init__(self) -> None:
        self._boot = boot_id()
        self._asked_ns = 0
        self._synced = False

    def stamp(self, monotonic_ns: int) -> Timestamp:
        """Return the time stamp of the moment at which the monotonic clock showed `monotonic_ns`."""
        now = time.monotonic_ns()
        if not self._asked_ns or now - self._asked_ns > _ASK_AGAIN_NS:
            self._asked_ns = now
            self._synced = clock_synced()
        return stamp(monotonic_ns, self._boot, synced=self._synced)


_OLDEST_NS: Final = 5_000_000_000


def monotonic_stamp(stamp_ns: int, now_ns: int) -> int:
    """Return a driver's stamp on the clock of `time.monotonic_ns()`; `now_ns`, the time of arrival if it is not usable.

    V4L2 and libcamera stamp with CLOCK_MONOTONIC or CLOCK_BOOTTIME (which counts the time in suspend too). One that
    does otherwise is found out by a stamp in the future or of long ago.
    """
    for offset_ns in (0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()):
        if 0 <= now_ns - (stamp_ns - offset_ns) < _OLDEST_NS:
            return stamp_ns - offset_ns
    return now_ns


class Timer:
    """Monotonic clock of whoever watches over threads; frames are stamped by `time.monotonic_ns()` itself."""

    def now_ns(self) -> int:
        """Return the time on the monotonic clock."""
        return time.monotonic_ns()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, `seconds` at most; return whether it is set."""
        return event.wait(seconds)
