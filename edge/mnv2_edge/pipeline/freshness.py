"""Age of a picture, the time included that the process was stopped or the machine slept."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["AgeClock", "read_clocks"]

_KEPT: Final = 64
_SLEPT_NS: Final = 100_000_000
"""The two clocks differ by less unless the machine slept: they are not read at the same moment."""
_APART_NS: Final = 10_000_000
_TRIES: Final = 5


def read_clocks() -> tuple[int, int]:
    """Return the monotonic clock and the time since boot, sleep included, in nanoseconds, of about the same moment.

    The process may be stopped between the two, so they are read again when that took long. The second is never ahead.
    """
    before = boot = after = 0
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        after = time.monotonic_ns()
        if after - before < _APART_NS:
            break
    return after, boot


class AgeClock:
    """Age of frames that are stamped by the monotonic clock, which stands still while the machine sleeps.

    How long it slept since boot is noted at every look, with the moment at which that was first seen. A frame that was
    stamped between the last look before a sleep and the first one after it counts as one from before. Any thread may
    use it.
    """

    def __init__(self, read: Callable[[], tuple[int, int]] = read_clocks) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._sleeps: deque[tuple[int, int]] = deque(maxlen=_KEPT)
        """Pairs of the moment of a look and the time slept until then, one for each change."""
        self.look()

    def look(self) -> int:
        """Note how long the machine has slept; return the monotonic clock. Call it several times a second."""
        now_ns, boot_ns = self._read()
        slept_ns = boot_ns - now_ns
        with self._lock:
            if not self._sleeps or slept_ns - self._sleeps[-1][1] > _SLEPT_NS:
                self._sleeps.append((now_ns, slept_ns))
        return now_ns

    def age_ns(self, captured_ns: int) -> int:
        """Return how long ago the monotonic clock showed `captured_ns`, sleep included."""
        now_ns = self.look()
        with self._lock:
            slept_ns = self._sleeps[-1][1]
            then_ns = next((slept for at, slept in reversed(self._sleeps) if at <= captured_ns), self._sleeps[0][1])
        return now_ns - captured_ns + slept_ns - then_ns
