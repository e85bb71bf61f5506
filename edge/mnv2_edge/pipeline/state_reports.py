"""Publication of cameras' states and events."""

import threading
import time
from collections.abc import Callable

from mnv2_edge.host.clock import Clock
from mnv2_edge.pipeline.capture import WELL, Capture, Outage
from mnv2_edge.records import CameraState, Details, Event, Record, StateName
from mnv2_edge.redaction import redact

__all__ = ["Reporter"]


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
