"""Look at how hot the board is."""

from typing import Final

from mnv2_edge.board.thermal import Zone, read_zones, slows_at_c
from mnv2_edge.doctor import Finding, Machine, combine

__all__ = ["check_temperature"]

_CLOSE_C: Final = 5.0
_LEAST_CRITICAL_C: Final = 70.0
"""Some PCs have zones of firmware that call 20 °C critical."""
_LOOK: Final = "grep . /sys/class/thermal/thermal_zone*/temp"
_COOL: Final = "give it a heat sink, a fan or air"


def check_temperature(machine: Machine) -> Finding:
    """Find a board that is so hot that it slows itself down, or soon will; or is about to turn itself off."""
    zones = read_zones(machine.root)
    if not zones:
        return Finding("ok", "no sensor tells")
    findings = [_judge(zone, slows_at_c(zone, machine.root)) for zone in zones]
    trouble = [finding for finding in findings if finding.verdict != "ok"]
    return combine(trouble) if trouble else findings[_most_telling(zones, machine)]


def _judge(zone: Zone, slows_c: float | None) -> Finding:
    shown = f"{zone.name or 'a sensor'} {zone.celsius:.0f} °C"
    critical_c = zone.critical_c if zone.critical_c is not None and zone.critical_c >= _LEAST_CRITICAL_C else None
    if critical_c is not None and zone.celsius >= critical_c - _CLOSE_C:
        return Finding("fail", f"{shown}, and turns itself off at {critical_c:.0f}: {_COOL}", _LOOK)
    if slows_c is not None and zone.celsius >= slows_c:
        return Finding("warn", f"{shown}, and slows itself down from {slows_c:.0f} on: {_COOL}", _LOOK)
    if slows_c is not None and zone.celsius >= slows_c - _CLOSE_C:
        return Finding("warn", f"{shown}, and will slow itself down at {slows_c:.0f}: {_COOL}", _LOOK)
    limit = f"; slows itself down at {slows_c:.0f}" if slows_c is not None else ""
    return Finding("ok", f"{shown}{limit}")


def _most_telling(zones: tuple[Zone, ...], machine: Machine) -> int:
    """Return the place of the zone that is closest to where it slows down; of the hottest where none does."""
    margins = [(slows_at_c(zone, machine.root) or 1000.0) - zone.celsius for zone in zones]
    return margins.index(min(margins))
