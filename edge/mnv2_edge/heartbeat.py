"""Let a thread show that it gets on, and whoever watches over it see when it does not."""

import logging
from typing import Final

from mnv2_edge.timer import Timer

__all__ = ["Heartbeat"]

_log = logging.getLogger(__name__)
_TELL_S: Final = 5.0


class Heartbeat:
    """Be beaten by one thread at every step of its work, and looked at by another.

    There is no deadline in here. Who looks hears only whether there was a step since the last look, so the patience is
    that of whoever is told: a service's watchdog, counted from the beginning of the step that does not end.
    """

    def __init__(self, name: str, timer: Timer | None = None) -> None:
        self._name = name
        self._timer = timer or Timer()
        self._steps = 0
        self._seen = 0
        self._resting = True
        self._seen_ns = self._timer.now_ns()
        self._told = False

    def beat(self) -> None:
        """Begin a step, which has to end."""
        self._steps += 1
        self._resting = False

    def rest(self) -> None:
        """Wait for something that may take for ever: a camera that is away."""
        self._resting = True

    def check(self) -> bool:
        """Return True when the thread rests, or began a step since the last check; tell of one that lasts, once."""
        now = self._timer.now_ns()
        if self._resting or self._steps != self._seen:
            if self._told:
                _log.info("%s goes on after %.1f s", self._name, (now - self._seen_ns) / 1e9)
            self._seen, self._seen_ns, self._told = self._steps, now, False
            return True
        if not self._told and now - self._seen_ns >= _TELL_S * 1e9:
            self._told = True
            _log.warning("%s has not got on for %.0f s", self._name, (now - self._seen_ns) / 1e9)
        return False
