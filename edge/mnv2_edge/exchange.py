"""Hand frames from the capture threads to the one inference thread: a slot per camera, the newest frame wins.

A live camera never waits: an unread frame in its slot gives way to the newer one and is counted as dropped. A file
waits for its slot to be free and loses nothing. Pixels become the network's input on the capture thread, beside
inference. Only a frame that replaces an unread one is left as it is: it may be replaced in turn, so it is prepared when
it is taken.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mnv2_edge.frames import Frame
from mnv2_engines.geometry import View
from mnv2_engines.preprocess import ColorOrder
from mnv2_engines.tensors import TensorArray, UInt8Array

__all__ = ["Exchange", "Lane", "Preparer", "Ready"]

_BUFFERS = 3  # one in inference, one in the slot, one being filled


class Preparer(Protocol):
    """Write a frame into a backend's buffer; used by one thread."""

    def prepare(self, pixels: UInt8Array, color: ColorOrder, out: TensorArray) -> View:
        """Fill `out`; return which part of the frame the network sees."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A frame whose buffer is filled. Whoever took it gives it back with `Lane.release`."""

    frame: Frame
    buffer: TensorArray
    view: View
    prepare_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    frame: Frame


class Exchange:
    """Hold every camera's lane; one condition serves them all."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []
        self._next = 0
        self._closed = False

    def add_lane(
        self, *, live: bool, allocate: Callable[[], TensorArray], make_preparer: Callable[[], Preparer]
    ) -> "Lane":
        """Add a camera's lane; not after the first `take`."""
        lane = Lane(self._changed, live=live, allocate=allocate, make_preparer=make_preparer)
        self._lanes.append(lane)
        return lane

    def take(self, timeout_s: float | None = None) -> "tuple[Lane, Ready] | None":
        """Wait for a frame and return it with its lane; lanes take turns.

        Returns None when every lane has finished and is empty, when the exchange is closed, or after `timeout_s`.
        """
        with self._changed:
            self._changed.wait_for(self._may_return, timeout_s)
            lane = None if self._closed else self._next_full()
            if lane is None:
                return None
            item = lane.pop()
        return lane, lane.complete(item)

    @property
    def finished(self) -> bool:
        """Return True when nothing will come any more."""
        with self._changed:
            return self._closed or all(lane.exhausted for lane in self._lanes)

    def close(self) -> None:
        """Wake everybody; `take` returns None and `offer` returns False from now on."""
        with self._changed:
            self._closed = True
            for lane in self._lanes:
                lane.shut()
            self._changed.notify_all()

    def _may_return(self) -> bool:
        return self._closed or any(lane.full for lane in self._lanes) or all(lane.exhausted for lane in self._lanes)

    def _next_full(self) -> "Lane | None":
        count = len(self._lanes)
        for step in range(count):
            position = (self._next + step) % count
            if self._lanes[position].full:
                self._next = position + 1
                return self._lanes[position]
        return None


class Lane:
    """One camera's slot and buffers.

    `offer` and `finish` belong to its capture thread, the rest to the inference thread.
    """

    def __init__(
        self,
        changed: threading.Condition,
        *,
        live: bool,
        allocate: Callable[[], TensorArray],
        make_preparer: Callable[[], Preparer],
    ) -> None:
        self.live = live
        self._changed = changed
        self._free: list[TensorArray] = [allocate() for _ in range(_BUFFERS)]
        self._capture_preparer = make_preparer()
        self._inference_preparer = make_preparer()
        self._slot: Ready | _Raw | None = None
        self._finished = False
        self._shut = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Count the frames that a newer one replaced before they were taken."""
        return self._dropped

    @property
    def full(self) -> bool:
        """Return True when a frame waits. Hold the condition."""
        return self._slot is not None

    @property
    def exhausted(self) -> bool:
        """Return True when no frame waits and none will come. Hold the condition."""
        return self._finished and self._slot is None

    def offer(self, frame: Frame) -> bool:
        """Put a frame into the slot; wait for it to be free when the source is not live.

        Returns False when the exchange is closed: stop reading.
        """
        if not self.live:
            item = self._prepare(frame, self._capture_preparer)
            with self._changed:
                self._changed.wait_for(lambda: self._slot is None or self._shut)
                return self._put(item)
        with self._changed:
            if self._slot is not None:
                self._drop(self._slot)
                return self._put(_Raw(frame))
        item = self._prepare(frame, self._capture_preparer)
        with self._changed:
            return self._put(item)

    def finish(self) -> None:
        """Say that no frame will come any more."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def release(self, ready: Ready) -> None:
        """Give the buffer of a taken frame back."""
        self._free.append(ready.buffer)

    def pop(self) -> "Ready | _Raw":
        """Take the slot's content. Hold the condition; `full` must be true."""
        item = self._slot
        if item is None:
            raise RuntimeError("pop from an empty lane")
        self._slot = None
        self._changed.notify_all()
        return item

    def complete(self, item: "Ready | _Raw") -> Ready:
        """Prepare what was left as it was; without the condition."""
        return item if isinstance(item, Ready) else self._prepare(item.frame, self._inference_preparer)

    def shut(self) -> None:
        """Refuse frames. Hold the condition."""
        self._shut = True

    def _prepare(self, frame: Frame, preparer: Preparer) -> Ready:
        # list.pop and list.append are atomic; with three buffers and at most two frames elsewhere one is always free
        buffer = self._free.pop()
        began = time.monotonic_ns()
        view = preparer.prepare(frame.pixels, frame.color, buffer)
        return Ready(frame, buffer, view, time.monotonic_ns() - began)

    def _put(self, item: "Ready | _Raw") -> bool:
        if self._shut:
            return False
        self._slot = item
        self._changed.notify_all()
        return True

    def _drop(self, item: "Ready | _Raw") -> None:
        self._dropped += 1
        if isinstance(item, Ready):
            self._free.append(item.buffer)
