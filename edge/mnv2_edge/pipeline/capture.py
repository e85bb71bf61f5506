"""Supervision of one camera: its reader, its state, its frames and those that are held back.

A source that ends, errs or stalls is closed and opened again for as long as it takes. One whose read hangs in C gets a
new reader beside the hung one, once; the second ends the process, since only that frees the device.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from mnv2_edge.errors import SourceError, SourcePermissionError, TemporaryError
from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import Timer
from mnv2_edge.pipeline.frame_gate import FrameGate, GateSettings
from mnv2_edge.pipeline.picture_health import Outage, PictureFault, PictureMonitor
from mnv2_edge.pipeline.reader import STOPPED, OpenedCamera, Reader, Supervision
from mnv2_edge.pipeline.slots import Lane
from mnv2_edge.pipeline.timing import Backoff
from mnv2_edge.records import StateName

__all__ = ["WELL", "Capture", "CaptureListener", "OpenedCamera", "Outage", "StateListener", "Supervision"]

_log = logging.getLogger(__name__)
WELL: Final[frozenset[StateName]] = frozenset({"starting", "streaming"})
"""States in which nothing is amiss."""
_HELD_S = 60.0  # so long may a thread that was left behind keep its device from being opened again


StateListener = Callable[["Capture", StateName, str], None]
"""Called with the new state and its reason, on any thread; must return at once."""
OutageListener = Callable[["Capture", Outage], None]
"""Called when an outage is over, on any thread; must return at once."""


@dataclass(frozen=True, slots=True)
class CaptureListener:
    """Receiver of a camera's changes of state."""

    on_state: StateListener
    on_outage: OutageListener
    on_end: Callable[[], None]
    """No frame will come any more."""


class Capture:
    """Owner of one camera's reader and states.

    Any error that is not the source's ends it and is kept in `error`; the pipeline hands it on. `check` has to be
    called several times a second.
    """

    def __init__(
        self,
        camera: OpenedCamera,
        lane: Lane,
        listener: CaptureListener,
        *,
        gate: FrameGate | None = None,
        timer: Timer | None = None,
    ) -> None:
        self.camera_id = camera.id
        self.gate = gate or FrameGate(GateSettings())
        self.error: BaseException | None = None
        self.reopened = 0
        self.gated = 0
        """Frames that were read and held back: black, frozen, above the rate, or without motion."""
        self.expired = 0
        """Frames that were too old when they would have been looked at or published; inference counts them."""
        self.results = 0
        """Frames that inference has looked at; that thread counts them."""
        self.busy_ns = 0
        """How long it was at that, with what made them its input."""
        self._camera = camera
        self._lane = lane
        self._listener = listener
        self._timer = timer or Timer()
        policy = camera.supervision
        self._watch = PictureMonitor(frozen_s=policy.frozen_s, black_s=policy.black_s)
        self._lock = threading.RLock()  # holds states together: the reader and `check` both change them
        self._stopping = False
        self._state: StateName = "starting"
        self._reason = ""
        self._told_permission = False
        self._lost_once = False
        self._next_index = 0
        self._skipped_before = 0
        self._last_ns = self._timer.now_ns()
        self._outage: tuple[int, str] | None = None
        self._end: tuple[StateName, str] | None = None
        self._backoff = Backoff()
        self._left: Reader | None = None
        self._left_ns = 0
        self._reader = Reader(camera, camera.source, self, self._backoff, self._timer)

    @property
    def state(self) -> StateName:
        """Return the state last reported."""
        return self._state

    @property
    def reason(self) -> str:
        """Return why it is in that state; empty when all is well."""
        return self._reason

    @property
    def skipped(self) -> int:
        """Count the pictures that could not be decoded, re-opened sources included."""
        return self._skipped_before + (source.skipped if (source := self._reader.source) else 0)

    @property
    def dropped(self) -> int:
        """Count the frames that a newer one replaced before they were taken."""
        return self._lane.dropped

    @property
    def read(self) -> int:
        """Count the frames that were read, whatever became of them."""
        return self._next_index

    @property
    def max_age_ns(self) -> int:
        """Return how old a frame may be; 0: however old it is."""
        return round(self._camera.max_age_s * 1e9) if self.live else 0

    @property
    def live(self) -> bool:
        """Return True when frames come at their own rate."""
        return self._camera.live

    def report_again(self) -> None:
        """Report once more that all is well; do nothing when it is not any more."""
        with self._lock:
            if self._state in WELL and not self._reason:
                self._listener.on_state(self, self._state, self._reason)

    def start(self) -> None:
        """Start to read."""
        self._report("starting", "")
        self._reader.start()

    def check(self) -> None:
        """Check whether the reader makes progress; reopen or abandon it when it does not.

        Raises TemporaryError when a thread hangs beyond repair.
        """
        policy = self._camera.supervision
        with self._lock:
            reader, now = self._reader, self._timer.now_ns()
            if self._stopping or not reader.supervised:
                return
            phase, since_ns, closed_ns = reader.phase, reader.since_ns, reader.closed_ns
            silent_s = (now - since_ns) / 1e9
            if phase == "opening" and silent_s >= policy.open_s:
                self._leave(reader, since_ns, f"opening it has not come to an end in {policy.open_s:g} s")
            elif phase == "reading" and closed_ns is not None:
                if now - closed_ns >= policy.hang_s * 1e9:
                    self._leave(reader, since_ns, f"reading it hangs since {silent_s:.0f} s")
            elif phase == "reading" and silent_s >= policy.stall_s:
                reason = f"no frame for {policy.stall_s:g} s"
                if reader.give_up(reason, since_ns):
                    self._report("stalled", reason)
            self._end_when_device_is_held(now)

    def stop(self) -> None:
        """Ask the thread to end and the source to give up waiting; returns at once."""
        with self._lock:
            self._stopping = True
            reader = self._reader
        reader.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads; return False when one still hangs in the source."""
        deadline = time.monotonic() + timeout_s
        ended = self._reader.join(timeout_s)
        return (self._left is None or self._left.join(max(0.0, deadline - time.monotonic()))) and ended

    def take(self, frame: Frame, offset: int) -> str:
        """Offer a frame to the engine unless it is held back; return why to stop reading, empty to go on."""
        now = self._timer.now_ns()
        if offset:
            frame = replace(frame, index=frame.index + offset)
        self._next_index = frame.index + 1
        trouble = self._watch.look(frame.pixels, now)
        if trouble is not None:
            self.gated += 1
            self._tell(trouble)
            return trouble.reason if trouble.reopen else ""
        self._last_ns = now
        if self._state != "streaming":
            self._streaming()
        if not self.gate.passes(frame):
            self.gated += 1
            return ""
        return "" if self._lane.offer(frame) else STOPPED

    def next_offset(self) -> int:
        """Return what the indices of the next source count from."""
        return self._next_index

    def lost(self, reason: str, error: SourceError | None) -> None:
        """Report that the camera is away, and again when somebody has to do something about that."""
        with self._lock:
            self._lost_once = self._next_index > 0
            permission = isinstance(error, SourcePermissionError) and not self._told_permission
            self._told_permission = self._told_permission or permission
            self._report("reconnecting", reason, again=permission)

    def counted(self, skipped: int) -> None:
        """Keep the count of a source that is done with."""
        self._skipped_before += skipped

    def ended(self, reader: Reader, reason: str, error: BaseException | None) -> None:
        """Note the end, which is reported after everything else; only the present reader's end counts."""
        with self._lock:
            if reader is not self._reader:
                return
            self.error = error
            if error is None:
                self._end = ("ended" if reason in ("", STOPPED) else "failed", reason)
        if self._lane.finish():
            self.conclude()
        self._listener.on_end()

    def conclude(self) -> None:
        """Report the end, if it has come and was not reported: when the last frame's result is out, and not before."""
        with self._lock:
            end, self._end = self._end, None
            if end is not None:
                self._report(*end)

    def _tell(self, trouble: PictureFault) -> None:
        """Report a lasting trouble; not again when a frozen camera is still so after a re-open."""
        if trouble.lasting and (self._state in WELL or trouble.kind == "black"):
            self._report("stalled", trouble.reason)

    def _streaming(self) -> None:
        with self._lock:
            if self._lost_once:
                self.reopened += 1
            self._lost_once = self._told_permission = False
            self._backoff.reset()
            self._report("streaming", "")

    def _leave(self, reader: Reader, since_ns: int, reason: str) -> None:
        """Put a new reader in the place of one that hangs."""
        if not reader.leave(since_ns):
            return
        if self._left is not None and self._left.alive:
            raise TemporaryError(
                f"{self.camera_id}: {reason}, and so does the reader before: only a new process frees the camera; "
                "a service manager starts one"
            )
        _log.warning("%s: %s; its thread is left behind and a new one takes over", self.camera_id, reason)
        self._left, self._left_ns = reader, self._timer.now_ns()
        self._skipped_before += reader.source.skipped if reader.source else 0
        self.lost(reason, None)
        self._reader = Reader(self._camera, None, self, self._backoff, self._timer)
        self._reader.start()

    def _end_when_device_is_held(self, now: int) -> None:
        if self._left is None or not self._left.alive or self._state == "streaming":
            return
        if now - self._left_ns >= _HELD_S * 1e9:
            raise TemporaryError(
                f"{self.camera_id}: a thread that hangs since {_HELD_S:g} s keeps the camera from being opened again: "
                "only a new process frees it; a service manager starts one"
            )

    def _report(self, state: StateName, reason: str, *, again: bool = False) -> None:
        with self._lock:
            if state == self._state and state != "starting" and not again:
                return
            self._state = state
            self._reason = reason
            self._keep_outage(state, reason)
            self._listener.on_state(self, state, reason)
            level = logging.WARNING if state in ("stalled", "reconnecting", "failed") else logging.INFO
            _log.log(level, "%s: %s%s", self.camera_id, state, f" ({reason})" if reason else "")

    def _keep_outage(self, state: StateName, reason: str) -> None:
        """Note when an outage begins, and report it when it is over."""
        if state in ("stalled", "reconnecting"):
            self._outage = self._outage or (self._last_ns, reason)
        elif self._outage is not None:
            (began_ns, why), self._outage = self._outage, None
            ended_ns = self._timer.now_ns()
            outage = Outage(began_ns, ended_ns, why, recovered=state == "streaming")
            _log.info("%s: was away for %.1f s (%s)", self.camera_id, (ended_ns - began_ns) / 1e9, why)
            self._listener.on_outage(self, outage)
