"""Temperature of a board, and the temperature from which it slows itself down.

/sys/class/thermal/thermal_zone*: `type` names the sensor, `temp` is in thousandths of a degree Celsius, and
`trip_point_N_type` and `_temp` say what the kernel does at which temperature: `active` starts a fan, `passive` slows
something down, `hot` tells the driver, `critical` turns the machine off (the kernel's
Documentation/driver-api/thermal/sysfs-api.rst).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.host.files import list_files, read_number, read_text
from mnv2_edge.host.system import read_system

__all__ = ["ThermalZone", "read_zones", "slows_at_c"]

_LOWEST_C: Final = -40.0
_HIGHEST_C: Final = 125.0
"""No board here works outside these. A Jetson gives -256 for what is not powered; 127 is a register of ones."""
_PI_SLOWS_C: Final = 80.0
"""From here on a Raspberry Pi's firmware lowers the CPU's frequency, more so from 85 on ("Frequency management and
thermal control" of Raspberry Pi's documentation). Its kernel knows nothing of that: its one trip is at 90 or 110, and
critical. A 3B+ takes one step from 1.4 to 1.2 GHz at 60 already, by `temp_soft_limit`; that is not counted here."""
_PROCESSOR: Final = re.compile(r"cpu|gpu|soc|core|package|pkg|^tj", re.IGNORECASE)
"""`cpu-thermal`, `CPU-therm`, `soc0-thermal`, `bigcore0-thermal`, `package-thermal`, `x86_pkg_temp`; not a battery."""
_LEAST_TRIP_C: Final = 60.0
"""A passive trip below is a setting for a case that is touched, or nonsense."""


@dataclass(frozen=True, slots=True)
class ThermalZone:
    """One sensor with a plausible reading."""

    name: str
    """What the kernel calls it: `cpu-thermal` on a Raspberry Pi; `cpu-thermal`, `tj-thermal` and others on a Jetson;
    `acpitz`, `x86_pkg_temp` on a PC."""
    celsius: float
    passive_c: float | None
    """From where on the kernel slows down what this sensor looks at; None where it does not. With more than one such
    trip the highest: the others begin to regulate, that one is not to be exceeded (power_allocator.rst)."""
    critical_c: float | None
    """Where the kernel turns the machine off."""

    @property
    def of_processor(self) -> bool:
        """Return whether the name says that this is about a processor."""
        return _PROCESSOR.search(self.name) is not None


def read_zones(root: Path = Path("/")) -> tuple[ThermalZone, ...]:
    """Return all sensors of this machine that can be read, hottest first. Some may be of a battery, or a radio."""
    found = []
    for folder in list_files(root / "sys/class/thermal", "thermal_zone*"):
        celsius = _celsius(folder / "temp")
        if celsius is not None:
            trips = _read_trips(folder)
            passive = [at for kind, at in trips if kind == "passive" and at >= _LEAST_TRIP_C]
            critical = [at for kind, at in trips if kind == "critical"]
            name = read_text(folder / "type")
            found.append(ThermalZone(name, celsius, max(passive, default=None), min(critical, default=None)))
    return tuple(sorted(found, key=lambda zone: (-zone.celsius, zone.name)))


def slows_at_c(zone: ThermalZone, root: Path = Path("/")) -> float | None:
    """Return from where on the board slows itself down for what this sensor says; None where that is not known.

    Known is it of a Raspberry Pi's processor, and where a board's device tree says it, as a Jetson's does: about 99 °C
    on an Orin. Never of a PC: firmware made by many gives its zones (`acpitz`) as it likes, and its processors see to
    themselves.
    """
    if not (root / "proc/device-tree").is_dir():
        return None
    if zone.passive_c is None and zone.name == "cpu-thermal" and read_system(root).is_pi:
        return _PI_SLOWS_C
    return zone.passive_c


def _read_trips(folder: Path) -> list[tuple[str, float]]:
    found = []
    for file in list_files(folder, "trip_point_*_type"):
        at = _celsius(file.with_name(file.name.replace("_type", "_temp")))
        if at is not None:
            found.append((read_text(file), at))
    return found


def _celsius(file: Path) -> float | None:
    number = read_number(file)
    celsius = None if number is None else number / 1000
    return celsius if celsius is not None and _LOWEST_C < celsius < _HIGHEST_C else None
