"""Whether a board has slowed itself down, or has had too little voltage.

A Raspberry Pi's firmware keeps eight bits: four for now and the same four, 16 higher, for any time since boot
(vcgencmd(1), `get_throttled`). A Jetson counts since boot (hwmon `soctherm_oc`: OC1 under-voltage, OC2 average
over-current, OC3 instantaneous over-current; "Platform Power and Performance" of NVIDIA's developer guide).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.host.files import read_number, read_text

__all__ = ["Throttling", "decode_throttled", "parse_throttled", "read_alarms"]

_BITS: Final = (
    (0, "under-voltage"),
    (1, "the CPU's frequency is capped"),
    (2, "throttled"),
    (3, "slowed down by the soft temperature limit"),
)
_SINCE_BOOT: Final = 16
_ANSWER: Final = re.compile(r"throttled=0x(?P<bits>[0-9a-fA-F]+)")
_OLD_FILE: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"
"""Hexadecimal without 0x; gone from kernels since 6.1 or so."""
_JETSON_EVENTS: Final = {1: "under-voltage", 2: "average over-current", 3: "instantaneous over-current"}


@dataclass(frozen=True, slots=True)
class Throttling:
    """What slows a board down, in words."""

    now: tuple[str, ...]
    since_boot: tuple[str, ...]
    """Without what is so now."""


def parse_throttled(answer: str) -> Throttling | None:
    """Read `throttled=0x50005`, the answer of `vcgencmd get_throttled`; None for anything else."""
    match = _ANSWER.search(answer)
    return decode_throttled(int(match["bits"], 16)) if match else None


def decode_throttled(bits: int) -> Throttling:
    """Return which of the firmware's bits are set."""
    now = tuple(words for bit, words in _BITS if bits >> bit & 1)
    before = tuple(words for bit, words in _BITS if bits >> bit + _SINCE_BOOT & 1 and words not in now)
    return Throttling(now, before)


def read_alarms(root: Path = Path("/")) -> Throttling | None:
    """Read what the kernel alone says, without asking the firmware; None where it does not.

    Of a Raspberry Pi that is under-voltage within the last two seconds (hwmon `rpi_volt`), of old kernels all of the
    bits; of a Jetson the events since boot.
    """
    bits = read_number(root / _OLD_FILE, 16)
    if bits is not None:
        return decode_throttled(bits)
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = read_text(folder / "name")
        if name == "rpi_volt" and (alarm := read_number(folder / "in0_lcrit_alarm")) is not None:
            return Throttling(("under-voltage",) if alarm else (), ())
        if name == "soctherm_oc":
            return Throttling((), _jetson_events(folder))
    return None


def _jetson_events(folder: Path) -> tuple[str, ...]:
    counts = {words: read_number(folder / f"oc{number}_event_cnt") for number, words in _JETSON_EVENTS.items()}
    return tuple(f"{words} {count} times" for words, count in counts.items() if count)
