"""The run of one or more cameras' frames through one engine, whose results are published."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from mnv2_edge.host.clock import Clock, Timer
from mnv2_edge.inference.network import Network
from mnv2_edge.pipeline.capture import Capture, CaptureListener
from mnv2_edge.pipeline.frame_gate import FrameGate
from mnv2_edge.pipeline.freshness import AgeClock
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.pipeline.slots import FrameSlots, Lane, ReadyFrame
from mnv2_edge.pipeline.state_reports import Losses, Outcome, Reporter
from mnv2_edge.pipeline.throttle import RateLimiter, Slowdown
from mnv2_edge.pipeline.timing import Heartbeat
from mnv2_edge.pipeline.viewers import InferredFrame, Observer, Viewer
from mnv2_edge.records import Details, Latency, Record, Result
from mnv2_edge.sinks import BACKLOG, Sink

__all__ = ["Network", "Observer", "Outcome", "Pipeline"]

_log = logging.getLogger(__name__)
_JOIN_S = 0.4  # all threads together: Ctrl-C has to end the process within a second
_WATCH_S = 0.1  # how late `stop` may be noticed; everything else wakes `run` at once
_WAIT_S = 0.1


class Pipeline:
    """Connection of cameras, a network and sinks. It owns none of them: their opener closes them after `run`.

    OpenedCamera ids must differ. `observers` see every record before the sinks do; a run does not end for want of them.
    `viewers` see every frame with what was found in it, after its result was published.

    Threads: one per camera (`Capture`), one for inference; `run` supervises them on the caller's thread, by the clock
    `timer`. While none of them hangs it calls `on_alive` there, ten times a second, the first time when all have been
    started. A camera that is away or being opened again does not hang, an inference that never returns does.

    `remark` gives the reason in the state of a healthy camera, for example that it is slowed down. `slowdown`, if
    there is one, is asked on the watching thread at which share of their rate live cameras are looked at.
    """

    def __init__(
        self,
        cameras: Sequence[OpenedCamera],
        network: Network,
        sinks: Sequence[Sink],
        *,
        observers: Sequence[Observer] = (),
        viewers: Sequence[Viewer] = (),
        on_alive: Callable[[], None] | None = None,
        remark: Callable[[], str] = str,
        slowdown: Slowdown | None = None,
        device: str = "",
        clock: Clock | None = None,
        timer: Timer | None = None,
        ages: AgeClock | None = None,
    ) -> None:
        self._sinks = tuple(sinks)
        self._observers = tuple(observers)
        self._viewers = tuple(viewers)
        self._on_alive = on_alive or (lambda: None)
        self._broken: set[Sink] = set()
        self._remark = remark
        self._slowdown = slowdown
        self._device = device
        self._clock = clock or Clock()
        self._timer = timer or Timer()
        self._ages = ages or AgeClock()
        self._losses = Losses(self._sinks, self._timer)
        self._heartbeat = Heartbeat("inference", self._timer)
        self._slots = FrameSlots(network)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._captures: dict[Lane, Capture] = {}
        self._spoke: dict[str, str] = {}
        """Which engine each camera's last result is from; before its first one, the engine that the run began with."""
        self._error: BaseException | None = None
        self._reporter = Reporter(device, self._clock, self._publish, self._remark_on, lambda: self._losses.total)
        listener = CaptureListener(self._reporter.state, self._reporter.outage, self._wake.set)
        for camera in cameras:
            lane = self._slots.add_lane(live=camera.live)
            gate = FrameGate(camera.gate)
            self._captures[lane] = Capture(camera, lane, listener, gate=gate, timer=self._timer)
            self._spoke[camera.id] = network.engine_id
        captures = tuple(self._captures.values())
        self._brake = (
            RateLimiter(slowdown, captures, self._tell_slowdown, self._timer) if slowdown is not None else None
        )

    def run(self, stop: threading.Event | None = None, *, max_frames: int | None = None) -> Outcome:
        """Run until every source has ended, `max_frames` results are out, every sink is broken, or `stop` is set.

        Raises what went wrong in any thread, and TemporaryError when one hangs beyond repair.
        """
        stop = stop or threading.Event()
        inference = threading.Thread(target=self._main, args=(max_frames,), name="inference", daemon=True)
        for capture in self._captures.values():
            capture.start()
        inference.start()
        try:
            while inference.is_alive() and not stop.is_set() and not self._errors() and not self._deaf():
                for capture in self._captures.values():
                    capture.check()
                if self._brake is not None:
                    self._brake.check()
                self._ages.look()
                news = self._losses.news()
                for capture in self._captures.values():
                    if news:
                        capture.report_again()
                    self._reporter.refresh(capture)
                if self._heartbeat.check():
                    self._on_alive()
                self._timer.wait(self._wake, _WATCH_S)
                self._wake.clear()
        finally:
            stuck = self._end(inference)
        for error in self._errors():
            raise error
        captures = self._captures.values()
        return Outcome(
            results=self._count(),
            dropped=sum(capture.dropped for capture in captures),
            skipped=sum(capture.skipped for capture in captures),
            failed=next((capture.reason for capture in captures if capture.state == "failed"), ""),
            sink_failed=next((sink.broken for sink in self._sinks if sink.failed), ""),
            lost=self.lost,
            stuck=stuck,
        )

    @property
    def lost(self) -> int:
        """Count the records that sinks could not deliver, also after they were closed."""
        return self._losses.total

    def change_network(self, network: Network) -> bool:
        """Use `network` for every frame that inference takes from now on, and return when it alone is in use.

        No frame is lost for it and none is looked at twice. May be called before and during a run, by one thread at a
        time, which does not belong to this pipeline. Returns False when the run ended first: then close neither before
        `run` has returned. Raises ContractError, with nothing changed, when `network` takes no picture.
        """
        return self._slots.change_network(network)

    def _main(self, max_frames: int | None) -> None:
        try:
            while max_frames is None or self._count() < max_frames:
                self._heartbeat.rest()
                taken = self._slots.take()
                if taken is None:
                    break
                self._heartbeat.beat()
                lane, ready = taken
                self._look(lane, ready)
                if self._slots.told(lane):
                    self._captures[lane].conclude()
            if not all(lane.live for lane in self._captures):
                self._wait_for_sinks(0)
        except BaseException as exc:  # noqa: BLE001 - the top of a thread: handed on to run()
            self._error = exc
        finally:
            self._wake.set()

    def _look(self, lane: Lane, ready: ReadyFrame) -> None:
        """Have the network look at a frame and publish what it sees; not at one that is too old, and count it."""
        capture = self._captures[lane]
        sighting = None
        if self._expired(capture, ready.frame.captured_ns):
            self._slots.release(ready)
        else:
            sighting = self._infer(lane, ready)
        if sighting is None:
            capture.expired += 1
            return
        if not lane.live:
            self._wait_for_sinks(BACKLOG)
        self._tell_engine(capture, sighting.result)
        self._publish(sighting.result)
        for viewer in self._viewers:
            viewer.show(sighting)

    def _expired(self, capture: Capture, captured_ns: int) -> bool:
        return 0 < capture.max_age_ns < self._ages.age_ns(captured_ns)

    def _infer(self, lane: Lane, ready: ReadyFrame) -> InferredFrame | None:
        """Return what the network sees in a frame; None when that has become too old meanwhile."""
        network = ready.network
        began = time.monotonic_ns()
        outputs = ready.infer()
        inferred = time.monotonic_ns()
        frame, capture = ready.frame, self._captures[lane]
        findings = network.task.decode(outputs, frame.whole_view(ready.view))
        decoded = time.monotonic_ns()
        self._slots.release(ready)
        if self._expired(capture, frame.captured_ns):
            return None
        height, width = frame.picture_hw
        capture.results += 1
        capture.busy_ns += ready.prepare_ns + decoded - began
        result = Result(
            device=self._device,
            camera=frame.source_id,
            frame=frame.index,
            captured=self._clock.stamp(frame.captured_ns),
            age_ms=_ms(decoded - frame.captured_ns),
            dropped=capture.dropped,
            skipped=capture.skipped,
            gated=capture.gated,
            expired=capture.expired,
            latency=Latency(
                prepare_ms=_ms(ready.prepare_ns),
                wait_ms=_ms(began - frame.captured_ns - ready.prepare_ns),
                infer_ms=_ms(inferred - began),
                decode_ms=_ms(decoded - inferred),
            ),
            engine=network.engine_id,
            task=network.task.name,
            predictions=findings.predictions,
            width=width,
            height=height,
            picture=frame.picture,
            summary=findings.summary,
            detections=findings.detections,
            segments=findings.segments,
            mask=findings.mask,
            region_px=frame.region_px,
        )
        return InferredFrame(frame, result, findings.class_map, lane.live)

    def _tell_engine(self, capture: Capture, result: Result) -> None:
        """Publish, before a camera's first result from another engine, that it is."""
        before, self._spoke[result.camera] = self._spoke[result.camera], result.engine
        if result.engine != before:
            self._reporter.event(capture, "engine", {"from": before, "to": result.engine, "frame": result.frame})
            _log.info("%s: from frame %d on %s looks, before %s", result.camera, result.frame, result.engine, before)
            self._reporter.refresh(capture)  # a broker retains what was said of the engine before

    def _tell_slowdown(self, details: Details) -> None:
        """Publish that live cameras are looked at more or less often from now on, and why."""
        for capture in self._captures.values():
            if capture.live and capture.state not in ("ended", "failed"):
                self._reporter.event(capture, "slowdown", details)

    def _remark_on(self, capture: Capture) -> str:
        slowed = self._slowdown.remark if self._slowdown is not None and capture.live else ""
        return "; ".join(filter(None, (self._remark(), slowed)))

    def _count(self) -> int:
        return sum(capture.results for capture in self._captures.values())

    def _wait_for_sinks(self, backlog: int) -> None:
        """Let slow readers and viewers catch up: a file loses nothing. Ends when the run is being stopped."""
        for sink in self._sinks:
            while not self._stopping.is_set() and not sink.wait_backlog(backlog, _WAIT_S):
                self._heartbeat.beat()
        for viewer in self._viewers:
            while not self._stopping.is_set() and not viewer.wait_idle(_WAIT_S):
                self._heartbeat.beat()

    def _publish(self, record: Record) -> None:
        for receiver in (*self._observers, *self._sinks):
            receiver.publish(record)

    def _deaf(self) -> bool:
        """Return True when there are sinks and none of them has a reader; report each broken one, once."""
        for sink in self._sinks:
            if sink.broken and sink not in self._broken:
                self._broken.add(sink)
                _log.log(logging.ERROR if sink.failed else logging.INFO, "%s", sink.broken)
        return bool(self._sinks) and len(self._broken) == len(self._sinks)

    def _end(self, inference: threading.Thread) -> tuple[str, ...]:
        """Stop every thread; return the names of those that hang in foreign code."""
        self._stopping.set()
        self._slots.close()
        for capture in self._captures.values():
            capture.stop()
        deadline = time.monotonic() + _JOIN_S
        stuck = [
            f"capture of {capture.camera_id}"
            for capture in self._captures.values()
            if not capture.join(max(0.0, deadline - time.monotonic()))
        ]
        inference.join(max(0.0, deadline - time.monotonic()))
        for capture in self._captures.values():
            capture.conclude()
        return (*stuck, *(["inference"] if inference.is_alive() else []))

    def _errors(self) -> list[BaseException]:
        errors = (self._error, *(capture.error for capture in self._captures.values()))
        return [error for error in errors if error is not None]


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
