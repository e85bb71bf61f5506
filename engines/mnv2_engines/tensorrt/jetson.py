"""The L4T and JetPack of a Jetson, and whether it is supported."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_engines.files.regular_file import SETTINGS_LIMIT, decode_regular

__all__ = ["Jetson", "is_jetson", "read_jetson", "read_packages"]

_OLDEST_L4T: Final = 36
_RELEASE: Final = re.compile(r"#\s*R(?P<major>\d+)\s*\(release\),\s*REVISION:\s*(?P<rest>[0-9.]+)")
_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")
_OLD: Final = {
    28: "JetPack 3 with TensorRT 4 or older",
    31: "JetPack 4.0 or 4.1 with TensorRT 5",
    32: "JetPack 4 with TensorRT 8.2 or older and Python 3.6",
    34: "JetPack 5.0 with TensorRT 8.4 and Python 3.8",
    35: "JetPack 5 with TensorRT 8.5 and Python 3.8",
}


@dataclass(frozen=True, slots=True)
class Jetson:
    """What NVIDIA's system software reports about itself."""

    l4t: str
    """For example `36.4.0`; empty where there is none, which in a container may be a Jetson all the same."""
    jetpack: str
    """Version of the package `nvidia-jetpack`, which not every image has: empty then."""

    @property
    def is_jetson(self) -> bool:
        """Return whether this is a Jetson's system."""
        return bool(self.l4t)

    @property
    def unsupported(self) -> str:
        """Return why this system cannot be served, without a full stop; empty when it can, or is not a Jetson."""
        if not self.l4t:
            return ""
        major = int(self.l4t.partition(".")[0])
        if major >= _OLDEST_L4T:
            return ""
        return f"L4T {self.l4t} is {_OLD.get(major, 'older')}: JetPack 6.0 (L4T 36.3) is the oldest that can be served"


def read_jetson(root: Path = Path("/")) -> Jetson:
    """Read `/etc/nv_tegra_release` and dpkg's list under `root`; a container often has only the second."""
    packages = read_packages(root, {"nvidia-l4t-core", "nvidia-jetpack"})
    match = _RELEASE.match(_text(root / "etc/nv_tegra_release").lstrip())
    l4t = f"{match['major']}.{match['rest']}" if match else _numbers(packages.get("nvidia-l4t-core", ""))
    return Jetson(l4t, _numbers(packages.get("nvidia-jetpack", "")))


def is_jetson(root: Path = Path("/")) -> bool:
    """Return whether this is a Jetson, also from within a container, which sees the host's device tree alone."""
    compatible = _text(root / "proc/device-tree/compatible")  # "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0"
    return read_jetson(root).is_jetson or "nvidia,tegra" in compatible


def read_packages(root: Path, wanted: set[str]) -> dict[str, str]:
    """Return the versions of those of Debian's packages that are installed, from dpkg's own list under `root`."""
    found = {}
    for stanza in _text(root / "var/lib/dpkg/status").split("\n\n"):
        name = stanza.partition("\n")[0].removeprefix("Package: ").strip()
        if name not in wanted:
            continue
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed") and "Version" in fields:
            found[name] = fields["Version"]
    return found


def _numbers(version: str) -> str:
    """Return the leading numbers of a Debian version: `36.4.0-20240912212859` is 36.4.0."""
    match = _VERSION.match(version.partition(":")[2] or version)
    return match[0] if match else ""


def _text(path: Path) -> str:
    try:
        return decode_regular(path, SETTINGS_LIMIT, errors="replace")
    except OSError:
        return ""
