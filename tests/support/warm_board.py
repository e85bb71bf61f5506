"""Simulate a board that its own work heats, and cameras on it, in a time of their own."""

from collections.abc import Callable

import numpy as np

from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import Timer
from mnv2_edge.pipeline.board_limits import LimitState
from mnv2_edge.pipeline.frame_gate import FrameGate, GateSettings
from mnv2_edge.pipeline.throttle import RateLimiter, Slowdown
from mnv2_edge.records import Details

STEP_S = 0.01
PIXELS = np.zeros((2, 2, 3), np.uint8)


class SimulatedTimer(Timer):
    """Stand still but when it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ns(self) -> int:
        return round(self.seconds * 1e9)


class SimulatedCamera:
    """Give `rate` frames a second, of which its gate passes some; the newest one waits for the engine."""

    def __init__(self, rate: float, *, live: bool = True, max_rate: float = 0.0) -> None:
        self.rate = rate
        self.live = live
        self.gate = FrameGate(GateSettings(max_rate=max_rate))
        self.read = self.results = self.busy_ns = 0
        self.waiting = False
        self.taken_s = -1.0
        self.moves = True
        """What its gate makes of motion."""
        self._next_s = 0.0

    def film(self, now_s: float) -> None:
        if not self.rate:
            self._next_s = now_s
        elif now_s >= self._next_s:
            self._next_s += 1 / self.rate
            self.read += 1
            passes = self.gate.passes(Frame(PIXELS, "BGR", self.read, round(now_s * 1e9), "cam"))
            self.waiting |= passes and self.moves


class WarmBoard:
    """One engine that takes `infer_s` a frame, cameras in turn, and heat as a body of one temperature has it.

    Idle and busy power, thermal resistance and time constant are those of a small board in a closed case as to their
    order of magnitude; they are not measured.
    """

    def __init__(
        self, *cameras: SimulatedCamera, infer_s: float, ambient_c: float, limit_c: float = 78.0, start_c: float = 60.0
    ) -> None:
        self.cameras = cameras
        self.timer = SimulatedTimer()
        self.celsius = start_c
        self.hottest = start_c
        self.ambient_c = ambient_c
        self.limit_c = limit_c
        self.shares: list[tuple[float, float]] = []
        """When the share changed, and to what."""
        self.sense: Callable[[], tuple[LimitState, ...]] = self.feel
        self._infer_s = infer_s
        self._engine_free_s = 0.0
        self._slowdown = Slowdown(lambda: self.sense())  # noqa: PLW0108 - a test may put another one there
        self._brake = RateLimiter(self._slowdown, cameras, self._changed, self.timer)

    @property
    def share(self) -> float:
        return self._slowdown.share

    def feel(self) -> tuple[LimitState, ...]:
        calm = self.celsius <= self.limit_c - 5
        return (LimitState("heat", self.celsius >= self.limit_c, calm, f"{self.celsius:.1f}", {}),)

    def run(self, seconds: float) -> list[float]:
        """Let time pass; return the results a second of each camera."""
        before = [camera.results for camera in self.cameras]
        end = self.timer.seconds + seconds
        while self.timer.seconds < end:
            self._step()
        return [(camera.results - count) / seconds for camera, count in zip(self.cameras, before, strict=True)]

    def _step(self) -> None:
        now = self.timer.seconds
        for camera in self.cameras:
            camera.film(now)
        if now >= self._engine_free_s:
            ready = [camera for camera in self.cameras if camera.waiting]
            if ready:
                camera = min(ready, key=lambda camera: camera.taken_s)
                camera.taken_s = now
                camera.waiting = False
                camera.results += 1
                camera.busy_ns += round(self._infer_s * 1e9)
                self._engine_free_s = now + self._infer_s
        watts = 3.0 + (3.5 if now < self._engine_free_s else 0.0)
        self.celsius += (self.ambient_c + 9.0 * watts - self.celsius) / 300.0 * STEP_S
        self.hottest = max(self.hottest, self.celsius)
        self._brake.check()
        self.timer.seconds += STEP_S

    def _changed(self, details: Details) -> None:
        self.shares.append((self.timer.seconds, float(details["share"])))
