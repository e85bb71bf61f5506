"""The way of frames from the capture threads to the one inference thread: a slot per camera, the newest frame wins.

A live camera never waits: a newer frame replaces an unread one in its slot, which is counted as dropped. A file
waits for its slot to be free and loses nothing. Pixels become the network's input on the capture thread, beside
inference. Only a frame that replaces an unread one is left as it is: it may be replaced in turn, so it is prepared when
it is taken.

The network may be changed at any time. A frame that was taken before goes through the old one; one that was prepared
for it and not taken yet is prepared again, from its pixels. So nothing depends on whether the two want the same input.
"""

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from mnv2_edge.frames import Frame
from mnv2_edge.inference.network import Network
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.tensors import TensorArray, UInt8Array

__all__ = ["FrameSlots", "Lane", "Preparer", "ReadyFrame"]

_BUFFERS = 3  # one in inference, one in the slot, one being filled


class Preparer(Protocol):
    """Writer of frames into a backend's buffer; used by one thread."""

    def prepare(self, pixels: UInt8Array, color: ColorOrder, out: TensorArray) -> View:
        """Fill `out`; return which part of the frame the network sees."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ReadyFrame:
    """A frame in a buffer of the network that will read it. The thread that took it calls `FrameSlots.release`."""

    frame: Frame
    buffer: TensorArray
    view: View
    prepare_ns: int
    feed: "_Feed"

    @property
    def network(self) -> Network:
        """Return the network to run; it and the buffer live until `FrameSlots.release`."""
        return self.feed.network


@dataclass(frozen=True, slots=True, eq=False)
class _Raw:
    frame: Frame


class _Feed:
    """One camera's buffers and preparers of one network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.on_capture: Preparer = network.make_preparer()
        self.on_inference: Preparer = network.make_preparer()
        self._free = [network.backend.allocate_input() for _ in range(_BUFFERS)]

    def prepare(self, frame: Frame, preparer: Preparer) -> ReadyFrame:
        # list.pop and list.append are atomic; with three buffers and at most two frames elsewhere one is always free
        buffer = self._free.pop()
        began = time.monotonic_ns()
        view = preparer.prepare(frame.pixels, frame.color, buffer)
        return ReadyFrame(frame, buffer, view, time.monotonic_ns() - began, self)

    def take_back(self, buffer: TensorArray) -> None:
        self._free.append(buffer)


class FrameSlots:
    """Every camera's lane, and the network that frames are prepared for; all share one condition."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inferring: Network | None = None
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []
        self._next = 0
        self._closed = False

    def add_lane(self, *, live: bool) -> "Lane":
        """Add a camera's lane; not after the first `take`."""
        lane = Lane(self._changed, _Feed(self._network), live=live)
        self._lanes.append(lane)
        return lane

    def take(self, timeout_s: float | None = None) -> "tuple[Lane, ReadyFrame] | None":
        """Wait for a frame and return it with its lane; lanes take turns.

        Returns None when every lane has finished and is empty, when `FrameSlots` is closed, or after `timeout_s`.
        """
        with self._changed:
            self._changed.wait_for(self._may_return, timeout_s)
            lane = None if self._closed else self._next_full()
            if lane is None:
                return None
            item, feed = lane.pop()
            self._inferring = feed.network
        ready = item if isinstance(item, ReadyFrame) else feed.prepare(item.frame, feed.on_inference)
        return lane, ready

    def release(self, ready: ReadyFrame) -> None:
        """Give the buffer of a taken frame back: neither it nor its network is used any more."""
        ready.feed.take_back(ready.buffer)
        with self._changed:
            self._inferring = None
            if ready.network is not self._network:
                self._changed.notify_all()

    def told(self, lane: "Lane") -> bool:
        """Note that the frame that was taken last is done; return True when it was its lane's last one."""
        with self._changed:
            return lane.put_down()

    def change_network(self, network: Network) -> bool:
        """Send every frame that is taken from now on through `network`; wait until the one before is unused.

        Called by one thread at a time, which neither offers nor takes frames. Returns False when `FrameSlots` was
        closed before that: the old network may still be in use. Raises ContractError, with nothing changed, when
        `network` takes no picture.
        """
        feeds = [_Feed(network) for _ in self._lanes]
        with self._changed:
            before, self._network = self._network, network
            for lane, feed in zip(self._lanes, feeds, strict=True):
                lane.change_feed(feed)
            self._changed.wait_for(lambda: self._closed or not self._uses(before))
            return not self._uses(before)

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

    def _uses(self, network: Network) -> bool:
        return self._inferring is network or any(lane.prepares_for(network) for lane in self._lanes)

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

    `offer` and `finish` belong to its capture thread, the rest to `FrameSlots`.
    """

    def __init__(self, changed: threading.Condition, feed: _Feed, *, live: bool) -> None:
        self.live = live
        self._changed = changed
        self._feed = feed
        self._preparing: _Feed | None = None
        self._slot: ReadyFrame | _Raw | None = None
        self._in_hand = False
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

        Returns False when `FrameSlots` is closed: stop reading.
        """
        if self.live:
            with self._changed:
                if self._slot is not None:
                    self._drop(self._slot)
                    return self._put(_Raw(frame))
        item = self._prepare(frame)
        with self._changed:
            self._changed.wait_for(lambda: self._slot is None or self._shut)
            return self._put(item)

    def finish(self) -> bool:
        """Note that no further frame will come; return True when all frames that came are done.

        Else `FrameSlots.told` will return True for the last one: exactly one of both does, unless closed.
        """
        with self._changed:
            self._finished = True
            self._changed.notify_all()
            return self._slot is None and not self._in_hand

    def pop(self) -> "tuple[ReadyFrame | _Raw, _Feed]":
        """Take the slot's content, and how to prepare it. Hold the condition; `full` must be true."""
        item = self._slot
        if item is None:
            raise RuntimeError("pop from an empty lane")
        self._slot = None
        self._in_hand = True
        self._changed.notify_all()
        return item, self._feed

    def put_down(self) -> bool:
        """Finish the frame that was popped; return whether it was the last one. Hold the condition."""
        self._in_hand = False
        return self.exhausted

    def change_feed(self, feed: _Feed) -> None:
        """Prepare frames for another network, also the one that waits. Hold the condition."""
        self._feed = feed
        self._slot = None if self._slot is None else _Raw(self._slot.frame)

    def prepares_for(self, network: Network) -> bool:
        """Return True while the capture thread writes to a buffer of this network's. Hold the condition."""
        return self._preparing is not None and self._preparing.network is network

    def shut(self) -> None:
        """Refuse frames. Hold the condition."""
        self._shut = True

    def _prepare(self, frame: Frame) -> ReadyFrame:
        with self._changed:
            feed = self._preparing = self._feed
        try:
            return feed.prepare(frame, feed.on_capture)
        finally:
            with self._changed:
                self._preparing = None
                if feed is not self._feed:  # somebody waits to close that network
                    self._changed.notify_all()

    def _put(self, item: "ReadyFrame | _Raw") -> bool:
        if self._shut:
            return False
        stale = isinstance(item, ReadyFrame) and item.feed is not self._feed
        self._slot = _Raw(item.frame) if stale else item
        self._changed.notify_all()
        return True

    def _drop(self, item: "ReadyFrame | _Raw") -> None:
        self._dropped += 1
        if isinstance(item, ReadyFrame):
            item.feed.take_back(item.buffer)
