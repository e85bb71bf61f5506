"""The identity of this machine, so that an engine records where it was built."""

import hashlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mnv2_engines.files.regular_file import SETTINGS_LIMIT, decode_regular

if TYPE_CHECKING:  # numpy: a doctor that reads the memory does without
    from mnv2_engines.engine.facts import DeviceFacts

__all__ = ["describe_device", "read_meminfo"]

_BOARD_FILES: Final = (
    "proc/device-tree/model",  # "Raspberry Pi 4 Model B Rev 1.4\0"
    "sys/devices/virtual/dmi/id/product_name",
)
_CPU_KEYS: Final = ("model name", "CPU implementer", "CPU part", "CPU variant", "flags", "Features")


def describe_device(root: Path = Path("/")) -> "DeviceFacts":
    """Describe this machine by what the kernel under `root` says about it.

    The fingerprint covers instruction set extensions too: float kernels are chosen by them, and round differently.
    What differs between two boards of one make (serial number, memory, clock) stays out.
    """
    from mnv2_engines.engine.facts import DeviceFacts

    machine = platform.machine()
    cpu = _cpu(_text(root / "proc/cpuinfo"))
    board = next((text for text in (_text(root / name) for name in _BOARD_FILES) if text), "unknown")
    name = cpu.get("model name") or " ".join(cpu[key] for key in _CPU_KEYS[1:4] if key in cpu) or "unknown"
    facts = "\n".join([machine, board, *(f"{key}={cpu.get(key, '')}" for key in _CPU_KEYS)])
    return DeviceFacts(
        machine=machine, board=board, cpu=name, fingerprint=hashlib.sha256(facts.encode()).hexdigest()[:16]
    )


def _text(path: Path) -> str:
    try:
        return decode_regular(path, SETTINGS_LIMIT, errors="replace").strip("\0 \n")
    except OSError:
        return ""


def _cpu(cpuinfo: str) -> dict[str, str]:
    """Return the first core's fields: on big.LITTLE boards Linux lists the little cores first."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() in _CPU_KEYS:
            fields.setdefault(key.strip(), " ".join(value.split()))
    return fields


def read_meminfo(root: Path = Path("/")) -> dict[str, int]:
    """Read `/proc/meminfo` under `root`, in KiB by name (`MemTotal`, `MemAvailable`); empty where there is none.

    A line that says nothing is left out (proc_meminfo(5): they differ by kernel; `MemAvailable` is there since 3.14).
    """
    try:
        lines = decode_regular(root / "proc/meminfo", SETTINGS_LIMIT, encoding="ascii").splitlines()
    except (OSError, ValueError):
        return {}
    found = {}
    for name, _, rest in (line.partition(":") for line in lines):
        value = rest.split()[:1]
        if value and value[0].isdigit():
            found[name] = int(value[0])
    return found
