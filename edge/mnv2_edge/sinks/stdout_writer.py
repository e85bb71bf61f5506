"""Writes to stdout that never hang: a reader may be slow, stopped or gone."""

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import Final, Protocol, TextIO

__all__ = ["DescriptorOutput", "Output", "OutputGoneError", "StreamOutput", "open_output"]

_CHUNK: Final = 4096
"""A pipe that poll(2) calls writable takes a page at once, so a write of that much does not block (pipe(7))."""
_POLL_MS: Final = 50
_GONE: Final = frozenset({errno.EPIPE, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN})


class OutputGoneError(Exception):
    """An output whose reader has gone for good."""


class Output(Protocol):
    """Receiver of whole lines of bytes; used by one thread."""

    def write(self, line: bytes, give_up: Callable[[], bool]) -> bool:
        """Write a line; return False when `give_up` said True before it was written.

        Raises OutputGoneError when the reader is gone, any other OSError when this line cannot be written.
        """
        ...

    def check(self) -> None:
        """Raise OutputGoneError when the reader is gone."""
        ...


def open_output(stream: TextIO | None) -> Output | None:
    """Return what writes to `stream`, usually `sys.stdout`; None when the process was started without one.

    Where `stream` has a file descriptor it is written to directly: nothing is left in a buffer of Python's that the
    interpreter would try to write to a closed pipe at its end. The descriptor stays open and is not made non-blocking,
    which would change the terminal of the shell as well.
    """
    if stream is None or stream.closed:
        return None
    try:
        descriptor = stream.fileno()
    except (io.UnsupportedOperation, AttributeError):
        return StreamOutput(stream)
    stream.flush()
    return DescriptorOutput(descriptor)


class DescriptorOutput:
    """Pipe, socket, terminal or file, written a page at a time and only when it has room."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._torn = False

    def write(self, line: bytes, give_up: Callable[[], bool]) -> bool:
        """Write a line, as `Output.write`. What a failed write tore off is ended before the next line begins."""
        left = memoryview(b"\n" + line if self._torn else line)
        whole = len(left)
        self._poll.register(self._descriptor, select.POLLOUT)
        try:
            while left:
                if give_up():
                    return False
                if self._has_room():
                    left = left[os.write(self._descriptor, left[:_CHUNK]) :]
        except OSError as exc:
            if exc.errno in _GONE:
                raise OutputGoneError(os.strerror(exc.errno or 0)) from exc
            raise
        finally:
            self._torn = 0 < len(left) < whole or (self._torn and len(left) == whole)
        return True

    def check(self) -> None:
        """Raise OutputGoneError when the reader of a pipe has closed it."""
        self._poll.register(self._descriptor, 0)
        self._raise_if_gone(self._poll.poll(0))

    def _has_room(self) -> bool:
        ready = self._poll.poll(_POLL_MS)
        self._raise_if_gone(ready)
        return bool(ready)

    def _raise_if_gone(self, ready: list[tuple[int, int]]) -> None:
        for _, events in ready:
            if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                raise OutputGoneError("its reader has closed it")


class StreamOutput:
    """Stream without a file descriptor, for example a notebook's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: bytes, give_up: Callable[[], bool]) -> bool:
        """Write a line, as `Output.write`."""
        if give_up():
            return False
        try:
            self._stream.write(line.decode(errors="replace"))
            self._stream.flush()
        except ValueError as exc:  # it was closed
            raise OutputGoneError(str(exc)) from exc
        return True

    def check(self) -> None:
        """Raise OutputGoneError when the stream is closed."""
        if self._stream.closed:
            raise OutputGoneError("it was closed")


def stdout_is_terminal() -> bool:
    """Return True when a person reads stdout."""
    return sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()
