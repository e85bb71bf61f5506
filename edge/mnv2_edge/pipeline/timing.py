"""Heartbeats that a watchdog reads, and waits before a retry."""

import logging
import random
from typing import Final

from mnv2_edge.errors import SourceError, SourceLoginError
from mnv2_edge.host.clock import Timer

__all__ = ["Backoff", "Heartbeat"]

_log = logging.getLogger(__name__)
_TELL_S: Final = 5.0


class Heartbeat:
    """Liveness counter of one worker thread, which another thread checks.

    It has no deadline. A check only says whether there was a step since the last check, so the time limit is
    that of the caller: a service's watchdog, counted from the beginning of the step that does not end.
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
        """Mark a wait without a time limit, such as for a camera that is away."""
        self._resting = True

    def check(self) -> bool:
        """Return True when the thread rests, or began a step since the last check; report one that lasts, once."""
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


_FIRST_S = 0.25
_LONGEST_S = 2.0
"""A camera that is back gives frames within 3 s: this wait at its longest, and the time to open."""
_JITTER = 0.5  # of the wait: many devices must not come back to one server at once
_LOGIN_FIRST_S = 300.0
"""Cameras lock an account after a handful of wrong passwords in half an hour."""
_LOGIN_LONGEST_S = 1800.0


class Backoff:
    """Waiting times that double from try to try up to a cap; a random part of the second half is taken off.

    After a refused login the wait is long from the first time on.
    """

    def __init__(self) -> None:
        self._wait_s = _FIRST_S
        self._login_wait_s = _LOGIN_FIRST_S

    def wait_s(self, error: SourceError | None = None) -> float:
        """Return how long to wait now, after `error` if it is known what went wrong."""
        if isinstance(error, SourceLoginError):
            wait_s = self._login_wait_s
            self._login_wait_s = min(2 * wait_s, _LOGIN_LONGEST_S)
        else:
            wait_s = self._wait_s
            self._wait_s = min(2 * wait_s, _LONGEST_S)
        return wait_s * random.uniform(1 - _JITTER, 1)  # noqa: S311 - no secret

    def reset(self) -> None:
        """Begin anew: a frame came."""
        self._wait_s = _FIRST_S
        self._login_wait_s = _LOGIN_FIRST_S
