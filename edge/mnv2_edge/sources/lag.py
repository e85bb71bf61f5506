"""Tell how far a stream has fallen behind, from its own time stamps."""

from typing import Final

__all__ = ["LagMeter"]

_WINDOW_NS: Final = 30_000_000_000
"""The least late packet of the last one or two of these stands for no lag, so that a camera's clock may drift."""
_JUMP_NS: Final = 30_000_000_000  # no lag is as long: the camera has set its time stamps anew
_BACK_NS: Final = 500_000_000
"""Stamps that go back by more were set anew, too: a queue keeps their order, and B-frames go back by less."""


class LagMeter:
    """Compare when packets arrive with when the camera says that they were made.

    Only what is more than usual shows: the way from the camera takes some time at best, which nobody can see here.
    """

    def __init__(self) -> None:
        self._least_ns: int | None = None
        self._least_before_ns: int | None = None
        self._began_ns = 0
        self._media_ns: int | None = None

    def late_ns(self, media_ns: int, now_ns: int) -> int:
        """Return by how much a packet that arrives now is later than the quickest; `media_ns` is its stamp."""
        offset_ns = now_ns - media_ns
        back = self._media_ns is not None and self._media_ns - media_ns > _BACK_NS
        self._media_ns = media_ns
        if self._least_ns is None or back or abs(offset_ns - self._least_ns) > _JUMP_NS:
            self._least_ns, self._least_before_ns, self._began_ns = offset_ns, None, now_ns
        elif now_ns - self._began_ns > _WINDOW_NS:
            self._least_before_ns, self._least_ns, self._began_ns = self._least_ns, offset_ns, now_ns
        self._least_ns = min(self._least_ns, offset_ns)
        least_ns = self._least_ns if self._least_before_ns is None else min(self._least_ns, self._least_before_ns)
        return offset_ns - least_ns
