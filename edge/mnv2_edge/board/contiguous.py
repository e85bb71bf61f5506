"""Read how much memory is kept for what needs it in one piece (CMA): the buffers of ribbon cameras, for one."""

from dataclasses import dataclass
from pathlib import Path

from mnv2_edge.board.files import read_text

__all__ = ["Contiguous", "read_contiguous"]


@dataclass(frozen=True, slots=True)
class Contiguous:
    """In MiB. What is not free may still be lent out to others, who have to give it back, and sometimes cannot."""

    total: int
    free: int


def read_contiguous(root: Path = Path("/")) -> Contiguous | None:
    """Read `CmaTotal` and `CmaFree` of /proc/meminfo; None for a kernel without CMA."""
    found = dict(line.split(":", 1) for line in read_text(root / "proc/meminfo").splitlines() if ":" in line)
    try:
        total, free = (int(found[name].split()[0]) // 1024 for name in ("CmaTotal", "CmaFree"))
    except (KeyError, IndexError, ValueError):
        return None
    return Contiguous(total, free) if total else None
