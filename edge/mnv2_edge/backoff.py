"""Say how long to wait before a camera is tried again."""

import random

from mnv2_edge.errors import SourceError, SourceLoginError

__all__ = ["Backoff"]

_FIRST_S = 0.25
_LONGEST_S = 2.0
"""A camera that is back gives frames within 3 s: this wait at its longest, and the time to open."""
_JITTER = 0.5  # of the wait: many devices must not come back to one server at once
_LOGIN_FIRST_S = 300.0
"""Cameras lock an account after a handful of wrong passwords in half an hour."""
_LOGIN_LONGEST_S = 1800.0


class Backoff:
    """Double the wait from try to try, up to a cap, and take a random part of its second half off.

    A refused login is another matter than an absent camera: it waits long from the first time on.
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
