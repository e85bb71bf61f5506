"""End a command on Ctrl-C and SIGTERM, in order and soon."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mnv2_edge.exit_status import ExitStatus

__all__ = ["StopSignal", "stop_on_signals"]


class StopSignal(threading.Event):
    """Be set by Ctrl-C and SIGTERM, or by whoever wants to end one run and begin another."""

    def __init__(self, *, interrupting: bool) -> None:
        super().__init__()
        self.asked = False
        """Whether a signal has come: then there is no other run."""
        self.interrupting = interrupting
        """Raise KeyboardInterrupt instead of being set: for work that looks at no event."""


@contextmanager
def stop_on_signals(*, interrupting: bool = False) -> Iterator[StopSignal]:
    """Give an event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    stop = StopSignal(interrupting=interrupting)

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.interrupting:
            raise KeyboardInterrupt
        if stop.asked:
            os._exit(ExitStatus.INTERRUPTED)
        stop.asked = True
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
