"""A run's reports to the service manager: ready, alive, and one line of status.

Every message leaves on the thread that watches over the run, so that a manager that hears nothing knows that nobody
watches. What threads with frames have to do for it is to keep two numbers.
"""

import logging
import time
from typing import Final

from mnv2_edge.host.clock import Timer
from mnv2_edge.records import CameraState, Record, Result
from mnv2_edge.redaction import redact
from mnv2_edge.service.sd_notify import Notifier

__all__ = ["ServiceReport"]

_log = logging.getLogger(__name__)
_STATUS_S: Final = 5.0
_CHANGED_S: Final = 0.5
"""So soon after the last one may a status follow when a camera's state has changed."""
_FEEDS: Final = 10
"""How often the watchdog is fed in the time that it waits, at most."""


class ServiceReport:
    """Reporter to systemd: an observer of records, and the pipeline's `on_alive`.

    `watchdog_s` is how long the manager waits for a sign of life before it kills this process; 0: no limit.
    """

    def __init__(self, notifier: Notifier, *, watchdog_s: float = 0.0, timer: Timer | None = None) -> None:
        self._notifier = notifier
        self._watchdog_s = watchdog_s
        self._timer = timer or Timer()
        self._ready = False
        self._patient = False
        self._states: dict[str, str] = {}
        self._changed = False
        self._results = 0
        self._label = ""
        self._note = ""
        self._lost = 0
        self._fed_ns = self._status_ns = self._timer.now_ns()
        self._results_then = 0

    def publish(self, record: Record) -> None:
        """Keep what the status says."""
        if isinstance(record, Result):
            self._results += 1
            self._label = record.summary or self._label
        elif isinstance(record, CameraState):
            reason = f" ({record.reason})" if record.reason else ""
            self._states[record.camera] = f"{record.camera} {record.state}{reason}"
            self._lost = record.lost
            self._changed = True

    def slow(self, what: str, at_most_s: float) -> None:
        """Extend the watchdog's limit by `at_most_s` for a slow step; the next `alive` ends that."""
        patience_us = round(at_most_s * 1e6)
        self._notifier.send(STATUS=what, EXTEND_TIMEOUT_USEC=patience_us)
        if self._watchdog_s:  # which waits from the first READY on, also while a new configuration is being opened
            self._patient = self._notifier.send(WATCHDOG_USEC=patience_us)

    def alive(self) -> None:
        """Report that no thread hangs: called several times a second, and only while that is so."""
        now = self._timer.now_ns()
        if self._patient and self._notifier.send(WATCHDOG=1, WATCHDOG_USEC=round(self._watchdog_s * 1e6)):
            self._patient, self._fed_ns = False, now
        if not self._ready and self._notifier.send(READY=1, STATUS=self._status(now)):
            self._ready, self._fed_ns, self._status_ns = True, now, now
        if (
            self._watchdog_s
            and now - self._fed_ns >= self._watchdog_s * 1e9 / _FEEDS
            and self._notifier.send(WATCHDOG=1)
        ):
            self._fed_ns = now
        due_s = _CHANGED_S if self._changed else _STATUS_S
        if now - self._status_ns >= due_s * 1e9:
            self._notifier.send(STATUS=self._status(now))
            self._status_ns = now

    def reloading(self) -> None:
        """Report that the configuration is read again; the next `alive` ends it."""
        # systemd wants the time by CLOCK_MONOTONIC, to tell this reload from one asked for later
        self._notifier.send(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000, STATUS="reading the configuration")
        self._ready = False

    def note(self, text: str) -> None:
        """Put a remark for the service's operator into the status; empty removes it."""
        self._note = redact(text)
        self._changed = True

    def stopping(self) -> None:
        """Report that the run is being stopped."""
        self._notifier.send(STOPPING=1, STATUS="stopping")

    def _status(self, now: int) -> str:
        """Describe the run since the last status, in one line."""
        seconds = (now - self._status_ns) / 1e9
        parts = [self._note] if self._note else []
        if seconds > 0:
            parts.append(f"{(self._results - self._results_then) / seconds:.1f} frames/s")
        self._results_then, self._changed = self._results, False
        parts.extend(tuple(self._states.values()))
        if self._lost:
            parts.append(f"{self._lost} records lost")
        if self._label:
            parts.append(f"last seen: {self._label}")
        return "; ".join(parts)
