"""Watch one capture as the pipeline does, on a clock that can run faster."""

import threading
import time

import numpy as np

from mnv2_edge.host.clock import Timer
from mnv2_edge.pipeline.capture import Capture, CaptureListener, Outage
from mnv2_edge.pipeline.frame_gate import FrameGate
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.pipeline.slots import FrameSlots
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import TensorArray


class FastTimer(Timer):
    """Run `speed` times as fast as the monotonic clock: ten minutes pass in three seconds at 200."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return self._began_ns + int((time.monotonic_ns() - self._began_ns) * self._speed)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds / self._speed)


class Blank:
    """A network that needs nothing."""

    def __init__(self) -> None:
        self.backend = self

    def make_preparer(self) -> "Blank":
        return self

    def allocate_input(self) -> TensorArray:
        return np.zeros(1, np.uint8)

    def prepare(self, pixels: object, color: object, out: object) -> View:
        return View(0, 0, 1, 1, 0, 0, 1, 1, 1, 1)


class Watched:
    """A capture whose states, outages and frames are kept."""

    def __init__(self, camera: OpenedCamera, *, speed: float = 1.0, gate: FrameGate | None = None) -> None:
        self.states: list[tuple[str, str]] = []
        self.outages: list[Outage] = []
        self.indices: list[int] = []
        self.ended = threading.Event()
        self.slots = FrameSlots(Blank())
        self.timer = FastTimer(speed)
        lane = self.slots.add_lane(live=camera.live)
        listener = CaptureListener(
            on_state=lambda _, state, reason: self.states.append((state, reason)),
            on_outage=lambda _, outage: self.outages.append(outage),
            on_end=self.ended.set,
        )
        self.capture = Capture(camera, lane, listener, gate=gate, timer=self.timer)

    @property
    def names(self) -> list[str]:
        """Return the states without their reasons."""
        return [state for state, _ in self.states]

    def run(self, seconds: float = 5.0, *, until_frames: int | None = None) -> None:
        """Take frames until the capture ends, so many came, or so many (real) seconds have passed; then stop it."""
        self.capture.start()
        self.go_on(seconds, until_frames=until_frames)
        self.capture.stop()
        assert self.capture.join(5)
        self.capture.conclude()

    def go_on(self, seconds: float, *, until_frames: int | None = None) -> None:
        """Take frames from a capture that was started."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.slots.finished:
            self.capture.check()
            taken = self.slots.take(0.002)
            if taken is not None:
                self.indices.append(taken[1].frame.index)
                self.slots.release(taken[1])
                if self.slots.told(taken[0]):
                    self.capture.conclude()
            if until_frames is not None and len(self.indices) >= until_frames:
                return
