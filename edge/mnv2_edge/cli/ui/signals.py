"""Signals that a command handles: SIGINT and SIGTERM end it, SIGHUP reloads or means a closed terminal."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mnv2_edge.errors import ExitStatus

__all__ = ["Hangup", "StopSignal", "notice_hangup", "stop_on_signals"]


class Hangup:
    """Flag for a received SIGHUP. It is a plain flag, because a handler may interrupt the holder of an Event's lock."""

    def __init__(self) -> None:
        self.asked = False

    def take(self) -> bool:
        """Return whether somebody has asked since the last time."""
        asked, self.asked = self.asked, False
        return asked


@contextmanager
def notice_hangup() -> Iterator[Hangup]:
    """Yield what SIGHUP sets; where it says that the terminal is gone, raise SIGTERM instead.

    Who was started with SIGHUP ignored (`nohup`) stays when the terminal goes.
    """
    hangup = Hangup()
    before = signal.getsignal(signal.SIGHUP)
    had_terminal = before is not signal.SIG_IGN and _has_terminal()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if had_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            hangup.asked = True

    signal.signal(signal.SIGHUP, handle)
    try:
        yield hangup
    finally:
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    """Return whether this process has a controlling terminal; one that hung up does not count."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


class StopSignal(threading.Event):
    """Event that Ctrl-C and SIGTERM set; code that restarts a run sets it as well."""

    def __init__(self, *, interrupting: bool) -> None:
        super().__init__()
        self.asked = False
        """Whether a signal has come: then there is no other run."""
        self.interrupting = interrupting
        """Raise KeyboardInterrupt instead of being set: for work that looks at no event."""


@contextmanager
def stop_on_signals(*, interrupting: bool = False) -> Iterator[StopSignal]:
    """Yield an event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
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
