"""Checks of the board, its system, and whether this Python fits them."""

from pathlib import Path
from typing import Final

from mnv2_edge.doctor import Finding, Machine
from mnv2_edge.host.files import read_text
from mnv2_edge.host.system import read_system

__all__ = ["check_board", "check_venv"]

_WIDE: Final = frozenset({"aarch64", "x86_64"})
_SYSTEM_PACKAGES: Final = "usr/lib/python3/dist-packages"
_IMAGE: Final = "write the 64-bit image of Raspberry Pi OS: LiteRT has no package for 32-bit ARM"


def check_board(machine: Machine) -> Finding:
    """Find a 32-bit system: on a Pi its kernel may well be a 64-bit one, so `uname -m` does not tell."""
    system = read_system(machine.root)
    parts = (system.model or "an unknown board", system.os, f"Linux {system.kernel}" if system.kernel else "")
    name = ", ".join(part for part in parts if part)
    if machine.bits == 32:
        kernel = f"the kernel is a 64-bit one ({machine.arch}), but the " if machine.arch in _WIDE else "the "
        return Finding("fail", f"{name}: {kernel}Python here is a 32-bit one: {_IMAGE}")
    return Finding("ok", f"{name}, {machine.arch}")


def check_venv(machine: Machine) -> Finding:
    """Find a virtual environment that does not see apt's picamera2, or cannot use it; without picamera2 all are well.

    picamera2 does not come from pip: it comes with libcamera from the system, for the system's Python and numpy.
    """
    packages = machine.root / _SYSTEM_PACKAGES
    settings = _read_settings(machine.prefix / "pyvenv.cfg")
    shown = f"{machine.prefix} is {'a virtual environment' if settings else 'no virtual environment'}"
    if not (packages / "picamera2").is_dir():
        return Finding("ok", f"{shown}; apt's picamera2, which ribbon cameras need, is not installed")
    if settings and settings.get("include-system-site-packages", "").lower() != "true":
        change = "s/^include-system-site-packages.*/include-system-site-packages = true/"
        return Finding(
            "warn",
            f"{machine.prefix} does not see the system's packages, and so no picamera2 for ribbon cameras",
            f"sed -i '{change}' {machine.prefix / 'pyvenv.cfg'}",
        )
    version = ".".join(str(part) for part in machine.python[:2])
    if settings and Path(settings.get("home", "/usr/bin")) not in {Path("/usr/bin"), Path("/bin")}:
        return Finding(
            "warn",
            f"{machine.prefix} is of the Python {version} in {settings['home']}, and apt's picamera2 is for the "
            "system's own: make the environment with that one",
            "/usr/bin/python3 -m venv --system-site-packages .venv",
        )
    theirs, ours = _numpy_of(packages), machine.distributions.get("numpy", "")
    if theirs and ours and _major(theirs) < _major(ours):
        return Finding(
            "warn",
            f"numpy is {ours} here, and apt's picamera2 was built with {theirs}: it cannot be imported",
            "pip install -c deploy/constraints-numpy1.txt .",
        )
    return Finding("ok", f"{shown} with apt's picamera2; Python {version}, numpy {ours or 'is missing'}")


def _read_settings(file: Path) -> dict[str, str]:
    """Read pyvenv.cfg; empty where there is none."""
    lines = (line.partition("=") for line in read_text(file).splitlines())
    return {name.strip(): value.strip() for name, _, value in lines if value}


def _numpy_of(packages: Path) -> str:
    """Return the version of the system's numpy, by the name of the folder that describes it; empty for none."""
    for folder in packages.glob("numpy-*.*-info"):
        return folder.name.split("-")[1].removesuffix(".egg").removesuffix(".dist")
    return ""


def _major(version: str) -> int:
    number = version.partition(".")[0]
    return int(number) if number.isdecimal() else 0
