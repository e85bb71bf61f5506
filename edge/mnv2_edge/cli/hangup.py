"""Tell the two meanings of SIGHUP apart: a service is asked to look again, or the terminal of a command is gone."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Hangup", "notice_hangup"]


class Hangup:
    """Remember that somebody asked. A plain flag: a handler may interrupt whoever holds an Event's lock."""

    def __init__(self) -> None:
        self.asked = False

    def take(self) -> bool:
        """Return whether somebody has asked since the last time."""
        asked, self.asked = self.asked, False
        return asked


@contextmanager
def notice_hangup() -> Iterator[Hangup]:
    """Give what SIGHUP sets; where it says that the terminal is gone, raise SIGTERM instead.

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
    """Say whether this process has a controlling terminal; one that hung up is nobody's any more."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
