"""Reduction of the frame rate on a board that is too hot or short of memory."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mnv2_edge.host.clock import Timer
from mnv2_edge.pipeline.board_limits import LimitState
from mnv2_edge.pipeline.frame_gate import FrameGate
from mnv2_edge.records import Details

__all__ = ["LOOK_S", "LimitedCamera", "RateLimiter", "Slowdown"]

_log = logging.getLogger(__name__)
LOOK_S: Final = 10.0
"""A board's heat follows its work within tens of seconds, and its fan comes in between."""
_SHARES: Final = (1.0, 0.5, 0.25, 0.125)
_WORDS: Final = ("the full rate", "1/2", "1/4", "1/8")
_DOWN: Final = 2
"""So many looks in a row have to find too much: one may be wrong, and the step before has to have its effect."""
_UP: Final = 6
"""So many in a row have to be calm: what came back too soon would only go again."""
_UP_MOST: Final = 180
"""Half an hour: so long is the longest wait for a step up."""
_HOLDS: Final = 60
"""A step up that lasted ten minutes was right, by the time that a board in a case takes to get as warm as it will."""


class Slowdown:
    """Step of reduction: one down while a limit is exceeded, one up after a minute within all limits.

    Call `look` every `LOOK_S`. Each call changes at most one step, and none when it contradicts the call before. When a
    step up soon has to be taken back, the wait for the next one doubles: a board that manages half the rate but not all
    of it would otherwise swing between them all day, with a message each time. The share never falls below an eighth,
    so that a hot camera still gives results. A figure that was never over its limit since the full rate need not be
    well below it: a board may always have a little less memory than plenty. A sensor that stops answering does not
    keep the rate low.
    """

    def __init__(self, sense: Callable[[], Sequence[LimitState]]) -> None:
        self._sense = sense
        self._step = 0
        self._over = 0
        self._calm = 0
        self._wait = _UP
        self._held: int | None = None
        """For how many looks the last step up has held; None: there was none, or it has held long enough."""
        self._causes: list[str] = []
        self.remark = ""
        """What to say of a camera that is slowed down: to which share and why. Changes with the share alone."""
        self.details: Details = {}
        """The same for programs, of the last change."""

    @property
    def share(self) -> float:
        """Return the share of its rate at which everything is to work, 1/8 to 1."""
        return _SHARES[self._step]

    def look(self) -> bool:
        """Look at the board; return whether the share has changed."""
        limits = self._sense()
        over = [limit.cause for limit in limits if limit.over]
        calm = not over and all(limit.calm for limit in limits if limit.cause in self._causes)
        self._over = self._over + 1 if over else 0
        self._calm = self._calm + 1 if calm else 0
        step = self._step
        if self._over >= _DOWN:
            step = min(step + 1, len(_SHARES) - 1)
        elif self._calm >= self._wait:
            step = max(step - 1, 0)
        worse = step > self._step
        self._learn(step)
        if step == self._step:
            return False
        self._step, self._over, self._calm = step, 0, 0
        self._causes = [*self._causes, *(cause for cause in over if cause not in self._causes)]
        concerned = [limit for limit in limits if limit.cause in self._causes]
        why = "; ".join(limit.words for limit in concerned) or "the board does not say any more how it is"
        figures = {name: value for limit in concerned for name, value in limit.figures.items()}
        self.remark = f"slowed down to {_WORDS[step]}: {why}" if step else ""
        self.details = {"share": self.share, "causes": ", ".join(self._causes), "reason": why, **figures}
        if step == 0:
            self._causes = []
        _log.log(logging.WARNING if worse else logging.INFO, "%s", self.remark or f"back to the full rate: {why}")
        return True

    def _learn(self, step: int) -> None:
        """Wait longer for the next step up when the last one was wrong, as long as at first when it was right."""
        if step > self._step and self._held is not None:
            self._wait, self._held = min(2 * self._wait, _UP_MOST), None
        elif step < self._step:
            self._held = 0
        elif self._held is not None:
            self._held += 1
            if self._held >= _HOLDS:
                self._wait, self._held = _UP, None


_NS: Final = 1e9


class LimitedCamera(Protocol):
    """A camera as `Capture` shows it: counters since the start, and the gate that its frames pass."""

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
    """Counters of one camera since the start."""

    read: int
    results: int
    busy_ns: int


class RateLimiter:
    """Regular check of the board, which sets how many frames a second of each camera pass its gate.

    The share is of the frames that come, but of no more than the engine has time for beside the other cameras', and the
    camera's `max_rate` lets through. For a camera that gives 30 frames a second to an engine that manages 5, a half is
    2.5 frames a second; 15 would keep the engine as busy as before. Every check measures this anew, from counters that
    exist anyway. A camera that gave no frame since the last check has no rate, and no limit until the next one. A
    camera without inferences (it is black, or nothing moves) takes no time from the others.

    Files are not slowed down: they lose no picture, and come to their end.
    """

    def __init__(
        self, slowdown: Slowdown, captures: Sequence[LimitedCamera], on_change: Callable[[Details], None], timer: Timer
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
        """Do what is due; called often, by the thread that supervises the run."""
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
        """Set the limits by the counts of the last `seconds`."""
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


def _count(capture: LimitedCamera) -> _Counts:
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
