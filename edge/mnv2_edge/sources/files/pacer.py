"""The rate of a camera, for a file."""

import threading
import time

__all__ = ["Pacer"]


class Pacer:
    """Timer of the moments at which a camera of a certain rate would take its pictures."""

    def __init__(self, fps: float) -> None:
        self._period_ns = round(1e9 / fps)
        self._due_ns: int | None = None
        self._stopped = threading.Event()

    def wait(self) -> int | None:
        """Wait for the next moment and return it, on the monotonic clock; None as soon as `stop` was called.

        The first is now. Moments are counted from it, so a late reader catches up and the rate does not drift; one that
        is late by more than a period starts a new count.
        """
        now = time.monotonic_ns()
        due = now if self._due_ns is None else self._due_ns
        if now - due > self._period_ns:
            due = now
        if self._stopped.wait(max(0, due - now) / 1e9):
            return None
        self._due_ns = due + self._period_ns
        return due

    def stop(self) -> None:
        """End the wait of any thread, now and later."""
        self._stopped.set()
