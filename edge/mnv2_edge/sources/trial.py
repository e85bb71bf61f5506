"""A trial of one camera: whether it gives frames, how steadily, and whether its stamps are plausible."""

import itertools
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mnv2_edge.errors import SourceError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import FrameSource

__all__ = ["CameraReport", "examine_source"]

_OLD_MS: Final = 500.0


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What a camera did while it was watched."""

    frames: int
    seconds: float
    """From the first frame to the last."""
    width: int
    height: int
    color: str
    rate: float
    """Frames per second; 0 with fewer than two frames."""
    jitter_ms: float
    """Standard deviation of the time between two frames, by their stamps."""
    longest_ms: float
    """Longest time between two frames."""
    missed: int
    """Frames that the source itself passed over."""
    skipped: int
    """Pictures that could not be decoded."""
    age_ms: float
    """From the stamp to our having the frame, in the middle."""
    backward: int
    """Stamps that were not after the one before."""
    brightness: float
    """Mean of the last picture, 0 to 255."""
    trouble: str
    """Why it ended too early; empty when it did not."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Return what is not as it should be, in words."""
        found = [self.trouble] if self.trouble else []
        if self.frames < 2:
            return (*found, "fewer than two frames came")
        if self.backward:
            found.append(f"{self.backward} time stamps do not grow")
        if not 0 <= self.age_ms < _OLD_MS:
            found.append(f"frames are {self.age_ms:.0f} ms old when they arrive")
        if self.longest_ms > 5000 / self.rate:
            found.append(f"once nothing came for {self.longest_ms:.0f} ms")
        if self.brightness < 5:
            found.append("the picture is black: a covered lens, or no light")
        return tuple(found)


def examine_source(
    source: FrameSource, seconds: float, stop: threading.Event, on_frame: Callable[[Frame], None] | None = None
) -> tuple[CameraReport, Frame | None]:
    """Read a source for so long and report; the last frame comes with it. A silent source is closed in the end."""
    stamps: list[int] = []
    ages: list[float] = []
    indices: list[int] = []
    last: Frame | None = None
    trouble = ""
    deadline = time.monotonic() + seconds
    watch = threading.Timer(seconds + 1.0, source.close)
    watch.start()
    try:
        for frame in source:
            ages.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
            stamps.append(frame.captured_ns)
            indices.append(frame.index)
            last = frame
            if on_frame is not None:
                on_frame(frame)
            if time.monotonic() >= deadline or stop.is_set():
                break
    except SourceError as exc:
        trouble = str(exc)
    finally:
        watch.cancel()
    if not trouble and not stop.is_set() and source.endless and time.monotonic() > deadline + 1.0:
        trouble = "it fell silent"
    return _report(stamps, ages, indices, last, source.skipped, trouble), last


def _report(
    stamps: list[int], ages: list[float], indices: list[int], last: Frame | None, skipped: int, trouble: str
) -> CameraReport:
    steps = [(after - before) / 1e6 for before, after in itertools.pairwise(stamps)]
    seconds = (stamps[-1] - stamps[0]) / 1e9 if stamps else 0.0
    return CameraReport(
        frames=len(stamps),
        seconds=seconds,
        width=0 if last is None else last.pixels.shape[1],
        height=0 if last is None else last.pixels.shape[0],
        color="" if last is None else last.color,
        rate=len(steps) / seconds if seconds > 0 else 0.0,
        jitter_ms=statistics.pstdev(steps) if steps else 0.0,
        longest_ms=max(steps, default=0.0),
        missed=indices[-1] - indices[0] + 1 - len(indices) if indices else 0,
        skipped=skipped,
        age_ms=statistics.median(ages) if ages else 0.0,
        backward=sum(step <= 0 for step in steps),
        brightness=0.0 if last is None else float(last.pixels[::8, ::8].mean()),
        trouble=trouble,
    )
