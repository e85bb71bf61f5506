"""Let Ctrl-C end a long call into C++ that would swallow the exception."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["catch_interrupts"]


@contextmanager
def catch_interrupts() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets, instead of KeyboardInterrupt; a second Ctrl-C ends the process at once.

    Python raises KeyboardInterrupt in whatever Python code runs next. That is a callback of TensorRT's, which prints it
    and goes on. Only the main thread gets signals: in another one the event is never set.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def note(_number: int, _frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
