"""Free a camera from any thread, but never while another reads it."""

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["Guard"]


class Guard:
    """Call `free` once: at once when nobody reads, else right after the read under way.

    Libraries of cameras crash or hang when one thread closes what another is inside of. A read that never returns keeps
    its device.
    """

    def __init__(self, free: Callable[[], None]) -> None:
        self._free = free
        self._busy = threading.Lock()
        self._closed = threading.Event()
        self._freed = False

    @property
    def closed(self) -> bool:
        """Return True as soon as `close` was called."""
        return self._closed.is_set()

    def wait_closed(self, timeout_s: float) -> bool:
        """Wait for `close`, `timeout_s` at most; return whether it was called."""
        return self._closed.wait(timeout_s)

    @contextlib.contextmanager
    def reading(self) -> Iterator[bool]:
        """Hold off `free` inside of the `with`, which is given False when it is too late to read."""
        try:
            with self._busy:
                yield not self._closed.is_set()
        finally:
            if self._closed.is_set():
                self.close()

    def close(self) -> None:
        """Free it now, or let the reader do so; returns at once and may be called again."""
        self._closed.set()
        if self._busy.acquire(blocking=False):
            try:
                if not self._freed:
                    self._freed = True
                    self._free()
            finally:
                self._busy.release()
