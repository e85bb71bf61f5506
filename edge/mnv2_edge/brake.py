"""Hold live cameras to a share of the rate at which they would be looked at."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mnv2_edge.gate import FrameGate
from mnv2_edge.records import Details
from mnv2_edge.slowdown import LOOK_S, Slowdown
from mnv2_edge.timer import Timer

__all__ = ["Brake", "Braked"]

_NS: Final = 1e9


class Braked(Protocol):
    """A camera as `Capture` has it: counters since the start, and the gate that its frames pass."""

    gate: FrameGate
    results: int
    busy_ns: int

    @property
    def read(self) -> int:
        """Count the frames that were read."""
        ...

    @property
    def live(self) -> bool:
        """Return False for a file."""
        ...


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of one camera since the start."""

    read: int
    results: int
    busy_ns: int


class Brake:
    """Look at the board now and then, and set how many frames a second of each camera pass its gate.

    A share of what? Of the frames that come, but of no more than the engine has time for beside the other cameras', and
    the camera's `max_rate` lets through: of a camera that gives 30 frames to an engine that manages 5, a half is 2.5 a
    second, and not 15, which would keep the engine as busy as before. All of it is measured anew at each look, from
    counters that are there in any case. A camera that gave nothing since the last look has no rate, and no limit until
    the next one; one of which nothing was looked at (it is black, or nothing moves) takes no time from the others.

    Files are let alone: they lose no picture, and come to their end.
    """

    def __init__(
        self, slowdown: Slowdown, captures: Sequence[Braked], on_change: Callable[[Details], None], timer: Timer
    ) -> None:
        self._slowdown = slowdown
        self._all = tuple(captures)
        self._on_change = on_change
        self._timer = timer
        self._looked_ns = timer.now_ns()
        self._counts = {capture: _count(capture) for capture in self._all}
        self._engine_hz = math.inf
        """How many frames a second the engine manages; as it was last, when it had none to look at."""

    def check(self) -> None:
        """Do what is due; called often, by the thread that watches over the run."""
        now = self._timer.now_ns()
        seconds = (now - self._looked_ns) / _NS
        if seconds < LOOK_S:
            return
        self._looked_ns = now
        changed = self._slowdown.look()
        self._set_limits(seconds)
        if changed:
            self._on_change(self._slowdown.details)

    def _set_limits(self, seconds: float) -> None:
        """Judge by what was counted in the last `seconds`."""
        before, self._counts = self._counts, {capture: _count(capture) for capture in self._all}
        since = {capture: _less(count, before[capture]) for capture, count in self._counts.items()}
        busy_s = sum(count.busy_ns for count in since.values()) / _NS
        if busy_s:
            self._engine_hz = sum(count.results for count in since.values()) / busy_s
        wanted = {
            capture: min(count.read / seconds, capture.gate.max_rate or math.inf) for capture, count in since.items()
        }
        most = _most_of_each(
            self._engine_hz,
            [
                wanted[capture]
                for capture, count in since.items()
                if count.results or 0 < capture.gate.limit * seconds < 1  # held back for longer, it had no turn to use
            ],
        )
        share = self._slowdown.share
        for capture, rate in wanted.items():
            if capture.live:
                capture.gate.limit = share * min(rate, most) if share < 1 else 0.0


def _count(capture: Braked) -> _Counts:
    return _Counts(capture.read, capture.results, capture.busy_ns)


def _most_of_each(rate: float, wanted: Sequence[float]) -> float:
    """Return what each of those that take turns gets of `rate` at most. What one leaves of its turn, the others get."""
    left = rate
    for taken, want in enumerate(sorted(wanted)):
        turn = left / (len(wanted) - taken)
        if want > turn:
            return turn
        left -= want
    return rate


def _less(now: _Counts, before: _Counts) -> _Counts:
    return _Counts(now.read - before.read, now.results - before.results, now.busy_ns - before.busy_ns)
