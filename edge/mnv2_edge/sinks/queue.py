"""The queue of records between the threads that publish and the one thread of a sink."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from mnv2_edge.records import Record

__all__ = ["RecordQueue"]

_log = logging.getLogger(__name__)


class RecordQueue:
    """Bounded queue of records; when it is full the oldest is dropped, which is counted and logged once.

    `put` may be called from any thread and never waits for I/O. One thread calls `get`, hands the record over, and then
    calls `done`; until then the record counts as queued.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._records: deque[Record] = deque()
        self._changed = threading.Condition()
        self._in_hand = 0
        self._dropped = 0
        self._woken = False
        self._told = False
        self._closed = False

    @property
    def dropped(self) -> int:
        """Count the records that will never be handed over."""
        return self._dropped

    @property
    def backlog(self) -> int:
        """Count the records that wait or are being handed over."""
        return len(self._records) + self._in_hand

    @property
    def closed(self) -> bool:
        """Return True once `close` was called: `get` still gives what is left."""
        return self._closed

    def put(self, record: Record) -> None:
        """Append a record. After `close` it is counted as dropped."""
        with self._changed:
            if self._closed:
                self._dropped += 1
                return
            full = len(self._records) >= self._limit
            if full:
                self._records.popleft()
                self._dropped += 1
            self._records.append(record)
            self._changed.notify_all()
            tell, self._told = full and not self._told, self._told or full
        if tell:
            _log.warning("%s cannot keep up: its oldest records are dropped and counted", self._name)

    def get(self, timeout_s: float | None) -> Record | None:
        """Take the oldest record; None when there is none after `timeout_s`, after `wake`, or after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._records or self._closed or self._woken, timeout_s)
            self._woken = False
            if not self._records:
                return None
            self._in_hand += 1
            return self._records.popleft()

    def done(self, *, dropped: bool = False) -> None:
        """Note that the record from `get` was delivered, or could not be."""
        with self._changed:
            self._in_hand -= 1
            self._dropped += dropped
            self._changed.notify_all()

    def wake(self) -> None:
        """Let `get` return at once, and waiting threads look again."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
        """Wait until at most `at_most` records are queued; return False when the time was up before."""
        return self.wait_until(lambda: self.backlog <= at_most, timeout_s)

    def wait_until(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `reached`, which is asked whenever something changes; return False when the time was up before."""
        with self._changed:
            return self._changed.wait_for(reached, timeout_s)

    def discard(self) -> int:
        """Drop everything that waits, counted; return how many that were."""
        with self._changed:
            count = len(self._records)
            self._records.clear()
            self._dropped += count
            self._changed.notify_all()
            return count

    def close(self) -> None:
        """Take no more records; wake waiting threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
