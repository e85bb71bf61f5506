"""BoardLimits of heat and memory, and whether a board exceeds them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mnv2_edge.host.memory import read_memory
from mnv2_edge.host.thermal import ThermalZone, read_zones, slows_at_c

__all__ = ["BoardLimits", "LimitState", "explain_missing_sensor", "read_limit_states"]

_BEFORE_C: Final = 2.0
"""So far below where the board slows itself down: it is read every few seconds, and goes on rising for a while."""
_COOLER_C: Final = 5.0
"""So far below the limit it is cool again; the kernel's own trips have 2 to 5 °C of hysteresis."""
_MORE: Final = 1.5
"""So many times the limit of memory must be left before it is enough again."""
_WAITING_PERCENT: Final = 20.0
"""Of ten seconds, in which a program waited for memory: the kernel reads back what it has just dropped. systemd-oomd
kills when all programs wait for 60 % of the time."""
_NOT_WAITING_PERCENT: Final = 5.0


@dataclass(frozen=True, slots=True)
class BoardLimits:
    """BoardLimits of heat and memory."""

    heat_c: float | None = None
    """Of a processor, in °C; None: 2 °C below where the board slows itself down, if that is known; 0: never."""
    free_memory_mib: int = 40
    """When less is left; 0: never."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit that may be exceeded."""

    cause: Literal["heat", "memory"]
    over: bool
    """It is too much now."""
    calm: bool
    """It is well below; neither of both in between."""
    words: str
    """What was measured and what the limit is, for people."""
    figures: dict[str, float]
    """The same for programs; units are in the names."""


def read_limit_states(limits: BoardLimits, root: Path = Path("/")) -> tuple[LimitState, ...]:
    """Look at heat and memory; a tuple without what is unknown here, or not to be looked at. Takes a millisecond."""
    return (*_heat(limits, root), *_memory(limits, root))


def explain_missing_sensor(limits: BoardLimits, root: Path = Path("/")) -> str:
    """Return why a limit that somebody has set can never be reached here; empty when all can."""
    if limits.heat_c and not any(_heat(limits, root)):
        return (
            f"slowdown.heat_c is {limits.heat_c:g}, and no sensor in /sys/class/thermal is of a processor: "
            "heat slows nothing down here"
        )
    return ""


def _heat(limits: BoardLimits, root: Path) -> Iterator[LimitState]:
    if limits.heat_c == 0:
        return
    known = [(zone, limit) for zone in read_zones(root) if (limit := _limit_c(zone, limits, root)) is not None]
    if known:
        zone, limit = max(known, key=lambda pair: pair[0].celsius - pair[1])
        yield LimitState(
            "heat",
            over=zone.celsius >= limit,
            calm=zone.celsius <= limit - _COOLER_C,
            words=f"{zone.name} is at {zone.celsius:.1f} °C, limit {limit:g}",
            figures={"celsius": zone.celsius, "limit_celsius": limit},
        )


def _limit_c(zone: ThermalZone, limits: BoardLimits, root: Path) -> float | None:
    if limits.heat_c is not None:
        return limits.heat_c if zone.of_processor else None
    slows = slows_at_c(zone, root)
    return None if slows is None else slows - _BEFORE_C


def _memory(limits: BoardLimits, root: Path) -> Iterator[LimitState]:
    memory = read_memory(root) if limits.free_memory_mib else None
    if memory is None:
        return
    # our own, where the kernel says it: somebody who waits at a limit of his own is not helped by us
    known = memory.waited_percent if memory.group_waited_percent is None else memory.group_waited_percent
    waited = known or 0.0  # as if it had not, where the kernel does not say
    whose = "memory" if memory.left_mib == memory.available_mib else "the memory that this process may have"
    words = f"{memory.left_mib} MiB of {whose} are left, limit {limits.free_memory_mib}"
    if waited > _NOT_WAITING_PERCENT:
        words += f"; programs wait for memory {waited:.0f} % of the time, limit {_WAITING_PERCENT:.0f}"
    yield LimitState(
        "memory",
        over=memory.left_mib < limits.free_memory_mib or waited >= _WAITING_PERCENT,
        calm=memory.left_mib >= _MORE * limits.free_memory_mib and waited <= _NOT_WAITING_PERCENT,
        words=words,
        figures={"free_memory_mib": memory.left_mib, "limit_memory_mib": limits.free_memory_mib}
        | ({"waiting_percent": known} if known is not None else {}),
    )
