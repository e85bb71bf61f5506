"""Checks of the state of the service's instances."""

from collections.abc import Mapping
from typing import Final

from mnv2_edge.doctor import Finding, Fix, Machine
from mnv2_edge.errors import AccessError
from mnv2_edge.service.paths import ServicePaths, unit_of
from mnv2_edge.service.systemd import UnitState

__all__ = ["check_service"]

_MANY_RESTARTS: Final = 3
_STEADY: Final = ("active", "reloading")


def check_service(machine: Machine) -> Finding:
    """Find instances that are down, and such that were started again more than once in a while."""
    names = ServicePaths(machine.root).instances()
    try:
        units = {name: machine.read_unit(name) for name in names}
    except AccessError:  # as in a container
        return Finding("ok", f"systemd is not here, so it does not run {', '.join(names)}")
    if any(unit.state == "unknown" for unit in units.values()):
        why = f"systemd does not answer, so nothing is known of {', '.join(units)}"
        return Finding("warn", why, "systemctl is-system-running")
    if any(unit.state not in _STEADY for unit in units.values()):
        return _judge_down(machine, units)
    restless = [name for name, unit in units.items() if unit.restarts > _MANY_RESTARTS]
    if restless:
        why = ", ".join(f"{name} was started again {units[name].restarts} times" for name in restless)
        return Finding("warn", why, f"mnv2-edge service logs {restless[0]} --lines 500")
    if not units:
        return Finding("ok", "no instance is installed")
    return Finding("ok", "; ".join(f"{name}: {unit.why}" for name, unit in units.items()))


def _judge_down(machine: Machine, units: Mapping[str, UnitState]) -> Finding:
    """Tell instances that should run and do not from those that are starting or are not wanted."""
    down = {name: unit for name, unit in units.items() if unit.state not in _STEADY}
    broken = [name for name, unit in down.items() if not (_is_on_its_way(unit) or _is_unwanted(unit))]
    why = "; ".join(f"{name} {_describe(unit)}" for name, unit in down.items())
    if broken:
        return Finding("fail", why, f"mnv2-edge service logs {broken[0]}", _restarts(machine, units))
    first = next(iter(down))
    start = f"sudo systemctl enable --now {unit_of(first)}"
    return Finding("warn", why, start if _is_unwanted(down[first]) else f"mnv2-edge service logs {first}")


def _is_on_its_way(unit: UnitState) -> bool:
    """Return whether systemd starts or stops it now, which takes minutes where an engine has to be built first."""
    return unit.state in ("activating", "deactivating") and unit.sub != "auto-restart"


def _is_unwanted(unit: UnitState) -> bool:
    """Return whether it is down because it was never enabled, or has been disabled."""
    return unit.state == "inactive" and not unit.starts_at_boot


def _describe(unit: UnitState) -> str:
    return "is stopped, and not started at boot either" if _is_unwanted(unit) else f"is {unit.state} ({unit.why})"


def _restarts(machine: Machine, units: Mapping[str, UnitState]) -> tuple[Fix, ...]:
    """Start again what systemd gave up on, unless its configuration is still wrong; what somebody stopped stays so."""
    wrong = {configured.instance for configured in machine.configurations if configured.trouble}
    return tuple(
        Fix(f"start {name} again", ("systemctl", "restart", unit_of(name)), root=True)
        for name, unit in units.items()
        if unit.state == "failed" and name not in wrong
    )
