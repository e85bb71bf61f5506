"""State of file systems: full, read-only, or with errors."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mnv2_edge.host.files import read_number, read_text

__all__ = ["DiskUsage", "FlashStorage", "Mount", "mount_of", "read_flash", "read_mounts", "read_usage"]

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
"""How the kernel and fstab(5) write what separates fields: space, tab, line end, backslash and `#`."""
_BREAK: Final = frozenset({"ext2", "ext3", "ext4", "vfat", "exfat", "f2fs", "btrfs"})
"""What the kernel makes read-only after an error; `overlay`, `squashfs`, `nfs`, `9p` and others are so on purpose."""
_AFTER_ERROR: Final = frozenset({"emergency_ro", "shutdown"})
"""How ext4 of newer kernels says so, while it goes on calling itself `rw`."""


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """How full a file system is for a user who is not root."""

    device: int
    """The same for all folders of one file system."""
    free_bytes: int
    free_inodes: int | None
    """None where files are not counted, as on btrfs."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One file system, as proc_pid_mountinfo(5) has it."""

    source: str
    target: str
    kind: str
    """`ext4`, `tmpfs`, `overlay`."""
    read_only: bool
    errors: int
    """Counted by ext4 in its superblock until it is checked; 0 for other kinds."""
    meant_read_only: bool
    """Whether somebody asked for that; if not, and it is, the kernel did it after an error."""


def read_usage(folder: Path) -> DiskUsage | None:
    """Return how full the file system is on which the folder lies, or would lie; None when that cannot be told.

    Does not return while a share does not whose server is gone.
    """
    for place in (folder, *folder.absolute().parents):
        try:
            found, device = os.statvfs(place), place.stat().st_dev
        except OSError:
            continue
        inodes = found.f_favail if found.f_files else None
        return DiskUsage(device, found.f_bavail * found.f_frsize, inodes)
    return None


def read_mounts(root: Path = Path("/")) -> tuple[Mount, ...]:
    """Return what is mounted, in the order in which it was."""
    meant = _meant_read_only(root)
    lines = (line.split(" ") for line in read_text(root / "proc/self/mountinfo").splitlines())
    found = []
    for fields in lines:
        # Between the options of the mount and the `-` there are as many fields as the kernel likes.
        rest = fields[fields.index("-", 6) + 1 :] if "-" in fields[6:] else []
        if len(rest) >= 3:
            found.append(_read_mount(fields, rest, root, meant))
    return tuple(found)


def _read_mount(fields: Sequence[str], rest: Sequence[str], root: Path, meant: Collection[str]) -> Mount:
    target, kind, source = _unescape(fields[4]), rest[0], _unescape(rest[1])
    here, everywhere = set(fields[5].split(",")), set(rest[2].split(","))
    is_broken = bool(_AFTER_ERROR & everywhere)
    # Mounted elsewhere and bound here as read-only, as into a container, it has `ro` among the first options alone.
    is_asked_for = target in meant or kind not in _BREAK or "ro" not in everywhere
    device = _device(fields[2], root) or source.rpartition("/")[2]
    return Mount(
        source,
        target,
        kind,
        read_only="ro" in here | everywhere or is_broken,
        errors=read_number(root / "sys/fs/ext4" / device / "errors_count") or 0,
        meant_read_only=is_asked_for and not is_broken,
    )


def mount_of(place: Path, mounts: tuple[Mount, ...]) -> Mount | None:
    """Return the mount on which a place lies: of the longest paths above it the one that was mounted last."""
    above = [mount for mount in mounts if PurePosixPath(place).is_relative_to(mount.target)]
    return max(reversed(above), key=lambda mount: len(mount.target), default=None)


def _device(number: str, root: Path) -> str:
    """Return what the kernel calls a device, by its `major:minor`: /proc may call it /dev/root, or as a mapper does."""
    link = root / "sys/dev/block" / number
    return link.resolve().name if link.is_symlink() else ""


def _meant_read_only(root: Path) -> set[str]:
    """Return what is read-only by fstab(5); the root also by the kernel's command line, where fstab has none."""
    lines = (line.split() for line in read_text(root / "etc/fstab").splitlines())
    table = {_unescape(one[1]): one[3].split(",") for one in lines if len(one) > 3 and not one[0].startswith("#")}
    if "/" not in table and "ro" in read_text(root / "proc/cmdline").split():
        table["/"] = ["ro"]
    return {target for target, options in table.items() if "ro" in options}


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)), field)


_EXCEEDED: Final = 0x0B


@dataclass(frozen=True, slots=True)
class FlashStorage:
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


def read_flash(root: Path = Path("/")) -> tuple[FlashStorage, ...]:
    """Return every card and eMMC chip of this board; never its serial number."""
    found = []
    for folder in sorted((root / "sys/block").glob("mmcblk[0-9]")):
        device = folder / "device"
        kind = read_text(device / "type")
        if kind:
            found.append(
                FlashStorage(
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
