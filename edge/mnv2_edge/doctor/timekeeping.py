"""Look at the clock: certificates, logs and records are only as right as it is."""

from typing import Final

from mnv2_edge.board.system import read_system
from mnv2_edge.doctor import Finding, Fix, Machine

__all__ = ["check_clock"]

_SET: Final = ("timedatectl", "set-ntp", "true")


def check_clock(machine: Machine) -> Finding:
    """Find a clock that nothing keeps right."""
    rtc = "a real-time clock is there" if read_system(machine.root).has_rtc else "there is no real-time clock"
    if machine.clock_synced():
        return Finding("ok", f"synchronised; {rtc}")
    why = f"nothing keeps the clock right, so times in records and the validity of certificates may be off; {rtc}"
    has_systemd = (machine.root / "run/systemd/system").is_dir()
    fixes = (Fix("have systemd keep the clock right over the network", _SET, root=True),) if has_systemd else ()
    return Finding("warn", why, f"sudo {' '.join(_SET)} && timedatectl" if has_systemd else "", fixes)
