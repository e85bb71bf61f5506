"""Let Ctrl-C and SIGTERM end a long call into C++ that would swallow the exception."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["catch_interrupts"]


@contextmanager
def catch_interrupts() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets, and SIGTERM where the program handles that; then the program's handler is called.

    Handlers of Python's raise in whatever Python code runs next. Here that is a callback of TensorRT's, which prints
    the exception and goes on. A second signal ends the process at once. Raises KeyboardInterrupt at the end when the
    handler has raised nothing: what was interrupted is not to be gone on with. Only the main thread gets signals: in
    another one the event is never set.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    caught: list[int] = []

    def note(number: int, _frame: object) -> None:
        caught.append(number)
        interrupted.set()
        for each in handlers:
            signal.signal(each, signal.SIG_DFL)

    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, note)
    try:
        yield interrupted
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if caught:
        handlers[signal.Signals(caught[0])](caught[0], None)
        raise KeyboardInterrupt
