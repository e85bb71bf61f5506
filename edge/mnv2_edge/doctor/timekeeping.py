"""Look at the clock: certificates, logs and records are only as right as it is."""

from pathlib import Path
from typing import Final

from mnv2_edge.board.system import read_system
from mnv2_edge.doctor import Finding, Fix, Machine

__all__ = ["check_clock"]

_SET: Final = ("timedatectl", "set-ntp", "true")
_CLIENTS: Final = ("usr/lib", "lib", "usr/local/lib", "etc", "run")
"""Where `systemd/ntp-units.d` is looked for, which names the clients that systemd can start (systemd-timedated(8))."""


def check_clock(machine: Machine) -> Finding:
    """Find a clock that nothing keeps right."""
    rtc = "a real-time clock is there" if read_system(machine.root).has_rtc else "there is no real-time clock"
    if machine.clock_synced():
        return Finding("ok", f"synchronised; {rtc}")
    why = f"nothing keeps the clock right, so times in records and the validity of certificates may be off; {rtc}"
    if not (machine.root / "run/systemd/system").is_dir():
        return Finding("warn", why)
    if not _has_client(machine.root):
        return Finding("warn", f"{why}, and no client of NTP", "sudo apt install systemd-timesyncd")
    fix = Fix("have systemd keep the clock right over the network, which shows after a minute", _SET, root=True)
    return Finding("warn", why, f"sudo {' '.join(_SET)} && timedatectl", (fix,))


def _has_client(root: Path) -> bool:
    return any(file for place in _CLIENTS for file in (root / place).glob("systemd/ntp-units.d/*.list"))
