"""Faults of a rehearsal, and their times."""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from mnv2_edge.errors import UsageError

__all__ = ["Fault", "FaultKind", "parse_faults"]

FaultKind: TypeAlias = Literal["stall", "hang", "drop", "black", "frozen", "size", "end", "error", "absent"]
_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
_LASTING: Final = frozenset({"stall", "drop", "black", "frozen", "absent"})
"""Faults that mean nothing without a duration."""
_FAULT: Final = re.compile(r"([a-z]+)@(\d+(?:\.\d+)?)(?:[+ ](\d+(?:\.\d+)?))?")  # in a URI's query + is a space


@dataclass(frozen=True, slots=True)
class Fault:
    """One simulated fault."""

    kind: FaultKind
    at_s: float
    """Seconds since the replay began."""
    for_s: float = math.inf

    def holds(self, now_s: float) -> bool:
        """Return True while it lasts."""
        return self.at_s <= now_s < self.at_s + self.for_s

    def begins(self, before_s: float, now_s: float) -> bool:
        """Return True when it began after `before_s` and not after `now_s`."""
        return before_s < self.at_s <= now_s


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read ``KIND@SECONDS[+DURATION],...``, as in ``stall@10+8,black@30+5,hang@60,end@90``.

    Raises UsageError for anything else.
    """
    return tuple(_parse(piece) for piece in text.split(",")) if text else ()


def _parse(piece: str) -> Fault:
    match = _FAULT.fullmatch(piece.strip())
    kind = next((one for one in _KINDS if match is not None and one == match[1]), None)
    if match is None or kind is None:
        raise UsageError(
            f"{piece!r} is not a fault: expected KIND@SECONDS[+DURATION] with {', '.join(_KINDS)}, as in stall@10+8"
        )
    if match[3] is None and kind in _LASTING:
        raise UsageError(f"{piece!r} has no duration: expected {kind}@SECONDS+DURATION, as in {kind}@10+8")
    return Fault(kind, float(match[2]), math.inf if match[3] is None else float(match[3]))
