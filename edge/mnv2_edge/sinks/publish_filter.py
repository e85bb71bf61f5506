"""Choice of the results that are published: changes, not too often, and now and then a sign of life."""

from mnv2_edge.records import Result

__all__ = ["ChangeGate"]


class ChangeGate:
    """Filter for one camera: a result passes when its summary differs from that of the last one passed.

    Within `min_interval_ns` of the last one a change waits. At the end of that time the newest result passes if it
    still shows a change: what came and went in between is not told, the state at that moment is right. Without
    a change the newest result passes every `heartbeat_ns` (0: never), never the same one twice.

    All times are `time.monotonic_ns()`.
    """

    def __init__(self, min_interval_ns: int, heartbeat_ns: int) -> None:
        self._min_interval_ns = min_interval_ns
        self._heartbeat_ns = heartbeat_ns
        self._newest: Result | None = None
        self._passed = False  # whether the newest one has passed
        self._last_summary = ""
        self._last_ns: int | None = None

    def offer(self, result: Result) -> None:
        """Consider a result."""
        self._newest = result
        self._passed = False

    def due_ns(self) -> int | None:
        """Return when `take` will give the newest result if no other comes; None: not at all."""
        if self._newest is None or self._passed:
            return None
        if self._last_ns is None:
            return 0
        if self._newest.summary != self._last_summary:
            return self._last_ns + self._min_interval_ns
        return self._last_ns + self._heartbeat_ns if self._heartbeat_ns else None

    def take(self, now_ns: int) -> Result | None:
        """Return the newest result when it is due, else None."""
        due_ns = self.due_ns()
        if self._newest is None or due_ns is None or now_ns < due_ns:
            return None
        return self._pass(self._newest, now_ns)

    def take_last(self, now_ns: int) -> Result | None:
        """Return the newest result when it shows a change, however soon: nothing comes after it."""
        due_ns = self.due_ns()
        if self._newest is None or due_ns is None:
            return None
        if self._last_ns is not None and self._newest.summary == self._last_summary:
            return None
        return self._pass(self._newest, now_ns)

    def repeat(self) -> None:
        """Let the newest result pass at once, also when it has passed before: there are new listeners."""
        self._passed = False
        self._last_ns = None

    def _pass(self, result: Result, now_ns: int) -> Result:
        self._passed = True
        self._last_ns = now_ns
        self._last_summary = result.summary
        return result
