"""The close of a camera from any thread, but never while another thread reads it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from mnv2_edge.errors import SourceError
from mnv2_engines.tensors import UInt8Array

__all__ = ["CloseGuard", "SharedCapture", "VideoReader"]


class CloseGuard:
    """CloseGuard that calls `free` once: at once when no read is under way, else right after that read.

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
        """Delay `free` inside of the `with`; yield False when it is too late to read."""
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


class VideoReader(Protocol):
    """The part of `cv2.VideoCapture` that is used here."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Return True when the file or device was opened; says nothing about frames."""
        ...

    def read(self) -> tuple[bool, UInt8Array | None]:
        """Return (True, the next picture, a new array), or (False, None) at the end or after a fault."""
        ...

    def get(self, prop: int, /) -> float:
        """Return a property; 0 for an unknown one."""
        ...

    def set(self, prop: int, value: float, /) -> bool:
        """Ask for a property; the answer means little, read it back."""
        ...

    def release(self) -> None:
        """Free the file or device. Crashes when another thread is in `read`."""
        ...


class SharedCapture:
    """Owner of a capture, which it releases at once, or right after a read that is under way.

    A read that hangs in C keeps its device: nothing in this process can change that.
    """

    def __init__(self, reader: VideoReader, name: str) -> None:
        self.reader = reader
        self._name = name
        self._busy = threading.Lock()
        self._closed = threading.Event()
        self._released = False

    @property
    def closed(self) -> bool:
        """Return True as soon as `close` was called."""
        return self._closed.is_set()

    def read(self) -> UInt8Array | None:
        """Return the next picture; None at the end, after a fault, or when closed. Raises SourceError."""
        import cv2

        with self._busy:
            try:
                ok, pixels = (False, None) if self._closed.is_set() else self.reader.read()
            except cv2.error as exc:
                raise SourceError(f"{self._name} cannot be decoded: {exc.err}") from exc
        if self._closed.is_set():
            self.close()
            return None
        return pixels if ok else None

    def close(self) -> None:
        """Release the capture. Returns at once: when another thread is reading, that one releases it."""
        self._closed.set()
        if self._busy.acquire(blocking=False):
            try:
                if not self._released:
                    self._released = True
                    self.reader.release()
            finally:
                self._busy.release()
