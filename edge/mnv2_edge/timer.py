"""Tell intervals and wait, in one place, so that a test can let ten minutes pass in seconds."""

import threading
import time

__all__ = ["Timer"]


class Timer:
    """Be the monotonic clock of whoever watches over threads; frames are stamped by `time.monotonic_ns()` itself."""

    def now_ns(self) -> int:
        """Return the time on the monotonic clock."""
        return time.monotonic_ns()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, `seconds` at most; return whether it is set."""
        return event.wait(seconds)
