"""Look at how the instances of the service are."""

from collections.abc import Mapping
from typing import Final

from mnv2_edge.doctor import Finding, Fix, Machine
from mnv2_edge.service.manager import UnitState
from mnv2_edge.service.places import Places, unit_of

__all__ = ["check_service"]

_MANY_RESTARTS: Final = 3
_STEADY: Final = ("active", "reloading")


def check_service(machine: Machine) -> Finding:
    """Find instances that are down, and such that were started again more than once in a while."""
    places = Places(machine.root)
    units = {name: machine.read_unit(name) for name in places.instances()}
    if any(unit.state == "unknown" for unit in units.values()):
        why = f"systemd does not answer, so nothing is known of {', '.join(units)}"
        return Finding("warn", why, "systemctl is-system-running")
    down = [f"{name} is {unit.state} ({unit.why})" for name, unit in units.items() if unit.state not in _STEADY]
    if down:
        first = next(name for name, unit in units.items() if unit.state not in _STEADY)
        return Finding("fail", "; ".join(down), f"mnv2-edge service logs {first}", _restarts(machine, units))
    restless = [name for name, unit in units.items() if unit.restarts > _MANY_RESTARTS]
    if restless:
        why = ", ".join(f"{name} was started again {units[name].restarts} times" for name in restless)
        return Finding("warn", why, f"mnv2-edge service logs {restless[0]} --lines 500")
    if not units:
        return Finding("ok", "no instance is installed")
    return Finding("ok", "; ".join(f"{name}: {unit.why}" for name, unit in units.items()))


def _restarts(machine: Machine, units: Mapping[str, UnitState]) -> tuple[Fix, ...]:
    """Start again what systemd gave up on, unless its configuration is still wrong; what somebody stopped stays so."""
    wrong = {configured.instance for configured in machine.configurations if configured.trouble}
    return tuple(
        Fix(f"start {name} again", ("systemctl", "restart", unit_of(name)), root=True)
        for name, unit in units.items()
        if unit.state == "failed" and name not in wrong
    )
