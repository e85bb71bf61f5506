"""Look at what a board says of its power supply."""

from typing import Final

from mnv2_edge.board.system import read_system
from mnv2_edge.board.throttling import Throttling, parse_throttled, read_alarms
from mnv2_edge.doctor import Finding, Machine, Verdict

__all__ = ["check_throttling"]

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
