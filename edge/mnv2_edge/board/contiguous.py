"""Read how much memory is kept for what needs it in one piece (CMA): the buffers of ribbon cameras, for one."""

from dataclasses import dataclass
from pathlib import Path

from mnv2_engines.meminfo import read_meminfo

__all__ = ["Contiguous", "read_contiguous"]


@dataclass(frozen=True, slots=True)
class Contiguous:
    """In MiB. What is not free may still be lent out to others, who have to give it back, and sometimes cannot."""

    total: int
    free: int


def read_contiguous(root: Path = Path("/")) -> Contiguous | None:
    """Read `CmaTotal` and `CmaFree` of /proc/meminfo; None for a kernel without CMA."""
    kib = read_meminfo(root)
    total, free = kib.get("CmaTotal", 0) // 1024, kib.get("CmaFree", 0) // 1024
    return Contiguous(total, free) if total else None
