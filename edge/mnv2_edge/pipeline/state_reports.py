"""Reports of how a run goes: cameras' states and events, lost records, the outcome."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mnv2_edge.host.clock import Clock, Timer
from mnv2_edge.pipeline.capture import WELL, Capture, Outage
from mnv2_edge.records import CameraState, Details, Event, Record, StateName
from mnv2_edge.redaction import redact
from mnv2_edge.sinks import Sink

__all__ = ["Losses", "Outcome", "Reporter"]

_log = logging.getLogger(__name__)
_TELL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    results: int
    dropped: int
    skipped: int
    failed: str
    """Why a camera that cannot be opened again ended; empty when none did."""
    sink_failed: str
    """Why a sink broke by its own fault; empty when none did. A reader that has gone is not a fault."""
    lost: int
    """Records that a sink could not deliver; those that it drops while it is closed come on top of that."""
    stuck: tuple[str, ...]
    """Threads that hang in foreign code: leave by `os._exit`, since the interpreter would wait or crash."""


class Losses:
    """Count of the records that a pipeline's sinks dropped.

    What a reader does not get after it has gone of its own will, as `head` does, is not lost.
    """

    def __init__(self, sinks: Sequence[Sink], timer: Timer) -> None:
        self._sinks = tuple(sinks)
        self._timer = timer
        self._told = 0
        self._told_ns = timer.now_ns()

    @property
    def total(self) -> int:
        """Return how many records were lost since the sinks were opened; also after they were closed."""
        return sum(sink.dropped for sink in self._sinks if sink.failed or not sink.broken)

    def news(self) -> bool:
        """Return True when there are more than when this last returned True, ten seconds ago or longer."""
        total, now_ns = self.total, self._timer.now_ns()
        if total <= self._told or (self._told and now_ns - self._told_ns < _TELL_S * 1e9):
            return False
        self._told, self._told_ns = total, now_ns
        _log.debug("%d records lost", total)
        return True


class Reporter:
    """Maker of records from the reports of captures, on the thread that reports.

    `remark` says what a camera that is well has to be told of nevertheless: it is published as the reason in its state,
    which a broker retains. `lost` counts the records that sinks could not deliver.
    """

    def __init__(
        self,
        device: str,
        clock: Clock,
        publish: Callable[[Record], None],
        remark: Callable[[Capture], str],
        lost: Callable[[], int] = int,
    ) -> None:
        self._device = device
        self._clock = clock
        self._publish = publish
        self._remark = remark
        self._lost = lost
        self._remarked: dict[str, str] = {}
        self._refreshing = threading.Lock()

    def state(self, capture: Capture, state: StateName, reason: str) -> None:
        """Publish a camera's state."""
        if not reason and state in WELL:
            reason = self._remarked[capture.camera_id] = self._remark(capture)
        self._publish(
            CameraState(
                device=self._device,
                camera=capture.camera_id,
                state=state,
                reason=redact(reason),  # a library's words may hold the camera's URI, and a broker retains this
                since=self._clock.stamp(time.monotonic_ns()),
                frames=capture.results,
                dropped=capture.dropped,
                skipped=capture.skipped,
                reopened=capture.reopened,
                gated=capture.gated,
                expired=capture.expired,
                lost=self._lost(),
            )
        )

    def refresh(self, capture: Capture) -> None:
        """Publish the state of a camera that is well again, if the remark on it is another one than last time."""
        with self._refreshing:
            if self._remarked.get(capture.camera_id, "") != self._remark(capture):
                capture.report_again()

    def outage(self, capture: Capture, outage: Outage) -> None:
        """Publish that a camera was away."""
        began, ended = self._clock.stamp(outage.began_ns), self._clock.stamp(outage.ended_ns)
        details: Details = {
            "reason": redact(outage.reason),
            "began": began.time,
            "ended": ended.time,
            "seconds": round((outage.ended_ns - outage.began_ns) / 1e9, 3),
            "recovered": outage.recovered,
        }
        self._publish(Event(self._device, capture.camera_id, "outage", ended, details))

    def event(self, capture: Capture, event: str, details: Details) -> None:
        """Publish that something happened just now."""
        self._publish(
            Event(self._device, capture.camera_id, event, self._clock.stamp(time.monotonic_ns()), dict(details))
        )
