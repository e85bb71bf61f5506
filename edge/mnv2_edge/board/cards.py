"""Read how worn memory cards and soldered flash are.

Of eMMC that is EXT_CSD of JESD84-B50: its life time in steps of 10 %, for two kinds of its cells, and how many of the
spare blocks are used up. An SD card tells nobody: only its name and its month of manufacture are known. NVMe drives
and USB sticks are not asked here; `smartctl` does that, as root.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.board.files import read_text

__all__ = ["Flash", "read_flash"]

_EXCEEDED: Final = 0x0B


@dataclass(frozen=True, slots=True)
class Flash:
    """One card, or one chip on the board."""

    device: str
    """`mmcblk0`."""
    kind: str
    """`SD` or `MMC`."""
    name: str
    date: str
    """Of manufacture, `08/2021`."""
    used_percent: int | None
    """Of its life at most, in steps of 10, 110 for more than all of it; None where it does not say."""
    spare: str
    """`normal`, `warning` (80 % of the spare blocks are used), `urgent` (90 %); empty where it does not say."""


def read_flash(root: Path = Path("/")) -> tuple[Flash, ...]:
    """Return every card and eMMC chip of this board; never its serial number."""
    found = []
    for folder in sorted((root / "sys/block").glob("mmcblk[0-9]")):
        device = folder / "device"
        kind = read_text(device / "type")
        if kind:
            found.append(
                Flash(
                    folder.name,
                    kind,
                    read_text(device / "name"),
                    read_text(device / "date"),
                    _used_percent(read_text(device / "life_time")),
                    _spare(read_text(device / "pre_eol_info")),
                )
            )
    return tuple(found)


def _used_percent(life_time: str) -> int | None:
    """Read `0x01 0x02`: the worse of both kinds of cells; 0x00 is not defined."""
    steps = [step for step in (_number(word) for word in life_time.split()) if 0 < step <= _EXCEEDED]
    return max(steps) * 10 if steps else None


def _spare(pre_eol: str) -> str:
    return {1: "normal", 2: "warning", 3: "urgent"}.get(_number(pre_eol), "")


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0
