"""Free memory, of this machine and of this process.

The machine: `MemAvailable` of /proc/meminfo. The process: what its control groups may have (cgroup v2, `memory.high`
and `memory.max`, the unit's MemoryHigh= and MemoryMax=), less what they hold and cannot give back. `memory.current`
alone misleads: it counts every file that was ever read, which the kernel drops when it is short of memory.

/proc/pressure/memory says how much of the time somebody waited for memory, and memory.pressure of a control group the
same of its own processes, with or without limits (the kernel's Documentation/accounting/psi.rst). The former rises also
for a program that waits at a limit of its own, in a container for example, while everybody else has plenty. Raspberry
Pi OS has them only with `psi=1` in cmdline.txt, since its kernels are built with CONFIG_PSI_DEFAULT_DISABLED, and has
control groups of memory only with `cgroup_enable=memory`.
"""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.host.files import read_number, read_text
from mnv2_engines.engine.device import read_meminfo

__all__ = ["CmaMemory", "Memory", "read_cma", "read_memory", "return_memory_early"]

_MIB: Final = 1 << 20
_WAITED: Final = re.compile(r"^some avg10=(?P<percent>[0-9.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """How much memory is left."""

    total_mib: int
    available_mib: int
    """What programs can still get without swapping."""
    group_mib: int | None
    """What this process' control groups can still get before the kernel slows them down or kills; None: no limit."""
    waited_percent: float | None
    """Of the last ten seconds, in which some program waited for memory; None where the kernel does not say."""
    group_waited_percent: float | None
    """The same of the programs in this process' control group, which is itself where it is a service."""
    swap_free_mib: int

    @property
    def left_mib(self) -> int:
        """Return how much this process can still get."""
        return self.available_mib if self.group_mib is None else min(self.available_mib, self.group_mib)


def read_memory(root: Path = Path("/")) -> Memory | None:
    """Read what the kernel says; None where it does not say how much is available."""
    kib = read_meminfo(root)
    if "MemAvailable" not in kib or "MemTotal" not in kib:
        return None
    groups = _groups(root)
    return Memory(
        total_mib=kib["MemTotal"] // 1024,
        available_mib=kib["MemAvailable"] // 1024,
        # the limits of all groups above hold for it too
        group_mib=min((left for left in map(_left_mib, groups) if left is not None), default=None),
        waited_percent=_waited_percent(root / "proc/pressure/memory"),
        group_waited_percent=_waited_percent(groups[0] / "memory.pressure") if groups else None,
        swap_free_mib=kib.get("SwapFree", 0) // 1024,
    )


def _groups(root: Path) -> tuple[Path, ...]:
    """Return the folder of this process' control group, and of those above; none where there is no cgroup v2."""
    mount = root / "sys/fs/cgroup"
    lines = read_text(root / "proc/self/cgroup").splitlines()
    path = next((line[len("0::/") :] for line in lines if line.startswith("0::/")), None)
    if path is None:
        return ()
    folder = mount / path
    return (folder, *(parent for parent in folder.parents if parent.is_relative_to(mount)))


def _left_mib(group: Path) -> int | None:
    limits = [read_number(group / name) for name in ("memory.high", "memory.max")]  # "max" is not a number: no limit
    limit = min((value for value in limits if value is not None), default=None)
    current = read_number(group / "memory.current")
    if limit is None or current is None:
        return None
    stat = dict(line.split(" ", 1) for line in read_text(group / "memory.stat").splitlines() if " " in line)
    files = sum(int(stat[name]) for name in ("active_file", "inactive_file") if stat.get(name, "").isdigit())
    return max(0, limit - max(0, current - files)) // _MIB


def _waited_percent(file: Path) -> float | None:
    waited = _WAITED.search(read_text(file))
    try:
        return float(waited["percent"]) if waited else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class CmaMemory:
    """CmaMemory memory in MiB. The kernel may lend a part of it to others, and cannot always get it back at once."""

    total: int
    free: int


def read_cma(root: Path = Path("/")) -> CmaMemory | None:
    """Read `CmaTotal` and `CmaFree` of /proc/meminfo; None for a kernel without CMA."""
    kib = read_meminfo(root)
    total, free = kib.get("CmaTotal", 0) // 1024, kib.get("CmaFree", 0) // 1024
    return CmaMemory(total, free) if total else None


_M_MMAP_THRESHOLD: Final = -3  # malloc.h of glibc
_THRESHOLD_BYTES: Final = 1 << 20


def return_memory_early() -> None:
    """Have the C library give arrays of 1 MiB and more back to the system as soon as they are freed.

    glibc by default raises that threshold to up to 32 MiB as it sees large blocks freed (mallopt(3)), and then the
    holes left by one phase of a build add to the peak of the next: 20 MiB for a MobileNetV2. Musl has no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _THRESHOLD_BYTES)
