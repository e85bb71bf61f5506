"""The board and the system that runs on it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.host.files import read_text

__all__ = ["System", "read_accounts", "read_system"]

_MODELS: Final = ("proc/device-tree/model", "sys/devices/virtual/dmi/id/product_name")
_PI_ISSUE: Final = "etc/rpi-issue"  # "Raspberry Pi reference 2024-07-04": os-release of a 64-bit image names Debian


@dataclass(frozen=True, slots=True)
class System:
    """Names of a board and its system; a name that is not stated is empty."""

    model: str
    """`Raspberry Pi 5 Model B Rev 1.0`; of a PC what its maker calls it."""
    os: str
    """`Debian GNU/Linux 12 (bookworm)`, with `, Raspberry Pi OS` where it is one."""
    kernel: str
    """`6.12.34+rpt-rpi-v8`."""
    has_rtc: bool
    """Whether a clock goes on while the power is off. That of a Pi 5 does so only with a battery."""

    @property
    def is_pi(self) -> bool:
        """Return whether this is a Raspberry Pi."""
        return self.model.startswith("Raspberry Pi")


def read_system(root: Path = Path("/")) -> System:
    """Read what the kernel and the distribution say under `root`."""
    pi_os = ", Raspberry Pi OS" if (root / _PI_ISSUE).is_file() else ""
    name = _os_name(read_text(root / "etc/os-release") or read_text(root / "usr/lib/os-release"))
    return System(
        model=next((text for text in (read_text(root / name) for name in _MODELS) if text), ""),
        os=f"{name}{pi_os}" if name else "",
        kernel=read_text(root / "proc/sys/kernel/osrelease"),
        has_rtc=any((root / "sys/class/rtc").glob("rtc*")),
    )


def _os_name(release: str) -> str:
    """Return PRETTY_NAME of os-release(5), whose values may stand in quotes."""
    fields = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return fields.get("PRETTY_NAME", "").strip("\"'")


_ENTRY: Final = re.compile(r"^(?P<name>[^:\n]+):[^:\n]*:(?P<user>[0-9]{1,10}):(?P<group>[0-9]{1,10}):", re.MULTILINE)


def read_accounts(root: Path = Path("/")) -> dict[str, tuple[int, int]]:
    """Return the number and the group of every local user by name, of passwd(5); what it does not say is left out."""
    entries = _ENTRY.finditer(read_text(root / "etc/passwd"))
    return {entry["name"]: (int(entry["user"]), int(entry["group"])) for entry in entries}
