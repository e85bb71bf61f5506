"""Count what sinks could not deliver, and say when that is to be told again."""

import logging
from collections.abc import Sequence
from typing import Final

from mnv2_edge.host.clock import Timer
from mnv2_edge.sinks import Sink

__all__ = ["Losses"]

_log = logging.getLogger(__name__)
_TELL_S: Final = 10.0


class Losses:
    """Add up the records that a pipeline's sinks dropped.

    What a reader does not get after it has gone of its own will, as `head` does, is not lost.
    """

    def __init__(self, sinks: Sequence[Sink], timer: Timer) -> None:
        self._sinks = tuple(sinks)
        self._timer = timer
        self._told = 0
        self._told_ns = timer.now_ns()

    @property
    def total(self) -> int:
        """Return how many records were lost since the sinks were opened; also after they were closed."""
        return sum(sink.dropped for sink in self._sinks if sink.failed or not sink.broken)

    def news(self) -> bool:
        """Return True when there are more than when this last returned True, ten seconds ago or longer."""
        total, now_ns = self.total, self._timer.now_ns()
        if total <= self._told or (self._told and now_ns - self._told_ns < _TELL_S * 1e9):
            return False
        self._told, self._told_ns = total, now_ns
        _log.debug("%d records lost", total)
        return True
