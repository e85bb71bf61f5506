"""Decide at which share of its rate a board works that is too hot, or short of memory."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from mnv2_edge.records import Details
from mnv2_edge.strain import Strain

__all__ = ["LOOK_S", "Slowdown"]

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
    """Go down a step while something is too much, and up a step when all has been well for a minute.

    `look` wants to be called every `LOOK_S`; each time it goes by one step at most, and between looks that contradict
    each other by none. A step up that soon had to be taken back makes it wait twice as long for the next one: a board
    that bears a half and not the whole would else swing between them all day, and tell of it each time. The share
    never falls below an eighth: who has a hot camera still wants to know what it sees. What was never too much since
    the full rate need not be well below its limit: a board may always have a little less memory than plenty. A sensor
    that does not answer any more is no reason to stay slow.
    """

    def __init__(self, sense: Callable[[], Sequence[Strain]]) -> None:
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
        strains = self._sense()
        over = [strain.cause for strain in strains if strain.over]
        calm = not over and all(strain.calm for strain in strains if strain.cause in self._causes)
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
        concerned = [strain for strain in strains if strain.cause in self._causes]
        why = "; ".join(strain.words for strain in concerned) or "the board does not say any more how it is"
        figures = {name: value for strain in concerned for name, value in strain.figures.items()}
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
