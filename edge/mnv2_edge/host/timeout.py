"""A call with a timeout: a share without its server and a stuck driver never answer."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["TimedCall"]

_Answer = TypeVar("_Answer")


class TimedCall(Generic[_Answer]):
    """A question asked in a thread, which is abandoned when it hangs: a process would cost a second on a Pi.

    What is asked must be safe to leave, as a system call is, and no library's function whose locks are needed later.
    Ctrl-C ends the waiting at once, whatever the thread hangs in.
    """

    def __init__(self, ask: Callable[..., _Answer], timeout_s: float) -> None:
        self._ask = ask
        self._timeout_s = timeout_s

    def __call__(self, *arguments: object) -> _Answer:
        """Return what was answered, or raise what was raised; TimeoutError when nothing comes in time."""
        answers: list[_Answer] = []
        errors: list[Exception] = []

        def ask() -> None:
            try:
                answers.append(self._ask(*arguments))
            except Exception as exc:  # noqa: BLE001 - the top of a thread: handed on below
                errors.append(exc)

        thread = threading.Thread(target=ask, name="timed call", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if errors:
            raise errors[0]
        if not answers:
            raise TimeoutError
        return answers[0]
