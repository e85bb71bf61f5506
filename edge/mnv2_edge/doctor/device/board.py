"""Checks of the board: heat, power supply, memory, clock."""

from pathlib import Path
from typing import Final

from mnv2_edge.doctor import Finding, Fix, Machine, Verdict, combine
from mnv2_edge.host.memory import read_cma, read_memory
from mnv2_edge.host.system import read_system
from mnv2_edge.host.thermal import ThermalZone, read_zones, slows_at_c
from mnv2_edge.host.throttling import Throttling, parse_throttled, read_alarms

__all__ = ["check_clock", "check_cma", "check_ram", "check_temperature", "check_throttling"]

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


def _judge(zone: ThermalZone, slows_c: float | None) -> Finding:
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


def _most_telling(zones: tuple[ThermalZone, ...], machine: Machine) -> int:
    """Return the place of the zone that is closest to where it slows down; of the hottest where none does."""
    margins = [(slows_at_c(zone, machine.root) or 1000.0) - zone.celsius for zone in zones]
    return margins.index(min(margins))


_TIMEOUT_S: Final = 10.0
_VOLTAGE: Final = "under-voltage"
_COMMANDS: Final = {True: "vcgencmd get_throttled", False: "sudo journalctl -k -g 'over-current|throttl'"}
"""Of a Raspberry Pi, and of others."""


def check_throttling(machine: Machine) -> Finding:
    """Find under-voltage and throttling, now and since boot: what makes a Pi slow and wears its card out unseen."""
    is_pi = read_system(machine.root).is_pi
    told, trouble = _ask_firmware(machine) if is_pi else (None, "")
    found = told or read_alarms(machine.root)
    if found is None:
        if is_pi:
            return Finding("warn", f"the firmware does not say whether it throttles: {trouble}", "ls -l /dev/vcio")
        return Finding("ok", "this board does not say whether it throttles")
    when, words = ("now", found.now) if found.now else ("since boot", found.since_boot)
    if words:
        verdict: Verdict = "fail" if _VOLTAGE in found.now else "warn"
        return Finding(verdict, f"{when}: {', '.join(words)}; {_advice(found)}", _COMMANDS[is_pi])
    if is_pi and told is None:
        return Finding("ok", f"no under-voltage in the last seconds; of more the firmware does not tell: {trouble}")
    return Finding("ok", "neither under-voltage nor throttling since boot")


def _ask_firmware(machine: Machine) -> tuple[Throttling | None, str]:
    """Return what the firmware says, else why it does not."""
    probe = machine.run_command("vcgencmd", "get_throttled", timeout_s=_TIMEOUT_S)
    found = parse_throttled(probe.output)
    return found, "" if found else probe.trouble or f"vcgencmd answers {probe.output!r}"


def _advice(found: Throttling) -> str:
    told = " ".join((*found.now, *found.since_boot))
    if "over-current" in told:  # of a Jetson, whose modules have a limit of their own besides
        return "give it a stronger power supply, or a lower power mode: `sudo nvpmodel -p --verbose` lists them"
    if _VOLTAGE in told:
        return "give it a stronger power supply or a shorter, thicker cable"
    return "give it a heat sink or a fan"


_NEEDED_MIB: Final = 32
"""Four buffers of a sensor's picture, 2304x1296 at 10 bits, and four of 640x480 in colour: 19 MiB, and some room. An
estimate by the sizes in picamera2's configurations; never measured on a Pi."""
_RUN_MIB: Final = 120
"""A run with an ImageNet engine takes 113 MiB at its peak (docs/performance.md)."""
_WAITED_PERCENT: Final = 30.0
_BIGGEST: Final = "ps -eo rss,comm --sort=-rss | head"
_RECEIVER: Final = "unicam"
"""The driver of boards before the Pi 5, whose own needs no memory in one piece."""


def check_ram(machine: Machine) -> Finding:
    """Find too little memory for one more run; what instances of the service have they have already."""
    memory = read_memory(machine.root)
    if memory is None:
        return Finding("ok", "the kernel does not say how much is free")
    why = (
        f"{memory.left_mib} of {memory.total_mib} MiB can still be had, and {memory.swap_free_mib} MiB of swap are free"
    )
    if memory.left_mib + memory.swap_free_mib < _RUN_MIB:
        return Finding("warn", f"{why}; a run takes about {_RUN_MIB} MiB", _BIGGEST)
    if memory.waited_percent is not None and memory.waited_percent > _WAITED_PERCENT:
        return Finding("warn", f"{why}; programs waited for memory {memory.waited_percent:.0f} % of the time", _BIGGEST)
    return Finding("ok", why)


def check_cma(machine: Machine) -> Finding:
    """Find too little memory in one piece for the buffers of a ribbon camera; without such a camera none is needed."""
    found = read_cma(machine.root)
    if found is None:
        return Finding("ok", "this kernel keeps no memory in one piece (CMA)")
    why = f"{found.free} of {found.total} MiB of memory in one piece (CMA) are free"
    ribbon = [camera for camera in machine.list_cameras() if _RECEIVER in (camera.node.driver, camera.node.name[:6])]
    if not ribbon or found.free >= _NEEDED_MIB:
        return Finding("ok", why)
    return Finding(
        "warn",
        f"{why}, and a ribbon camera takes about {_NEEDED_MIB} where it is not open already: change "
        f"`dtoverlay=vc4-kms-v3d` in config.txt to `dtoverlay=vc4-kms-v3d,cma-128` (cma-256 from 1 GB of memory on), "
        "and reboot",
        "sudo nano /boot/firmware/config.txt",
    )


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
