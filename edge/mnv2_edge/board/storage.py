"""Read how file systems are: full, read-only, or with errors."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mnv2_edge.board.files import read_number, read_text

__all__ = ["Mount", "Usage", "mount_of", "read_mounts", "read_usage"]

_ESCAPES: Final = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}
"""How proc_mounts(5) writes what separates its fields."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How full a file system is, for somebody who is not root."""

    device: int
    """The same for all folders of one file system."""
    free_bytes: int
    free_inodes: int | None
    """None where files are not counted, as on btrfs."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One file system, as /proc/mounts has it."""

    source: str
    target: str
    kind: str
    """`ext4`, `tmpfs`, `overlay`."""
    read_only: bool
    errors: int
    """Counted by ext4 in its superblock until it is checked; 0 for other kinds."""
    meant_read_only: bool
    """Whether /etc/fstab says so; if not, and it is, the kernel did it after an error."""


def read_usage(folder: Path) -> Usage | None:
    """Return how full the file system is on which the folder lies, or would lie; None when that cannot be told."""
    for place in (folder, *folder.absolute().parents):
        try:
            found, device = os.statvfs(place), place.stat().st_dev
        except OSError:
            continue
        inodes = found.f_favail if found.f_files else None
        return Usage(device, found.f_bavail * found.f_frsize, inodes)
    return None


def read_mounts(root: Path = Path("/")) -> tuple[Mount, ...]:
    """Return what is mounted, in the order in which it was."""
    meant = {target for target, options in _fstab(root) if "ro" in options}
    found = []
    for line in read_text(root / "proc/mounts").splitlines():
        fields = line.split(" ")
        if len(fields) < 4:
            continue
        source, target, kind = _unescape(fields[0]), _unescape(fields[1]), fields[2]
        errors = read_number(root / "sys/fs/ext4" / source.rpartition("/")[2] / "errors_count") or 0
        found.append(Mount(source, target, kind, "ro" in fields[3].split(","), errors, target in meant))
    return tuple(found)


def mount_of(place: Path, mounts: tuple[Mount, ...]) -> Mount | None:
    """Return the mount on which a place lies: of the longest paths above it the one that was mounted last."""
    above = [mount for mount in mounts if PurePosixPath(place).is_relative_to(mount.target)]
    return max(reversed(above), key=lambda mount: len(mount.target), default=None)


def _fstab(root: Path) -> list[tuple[str, list[str]]]:
    lines = (line.split() for line in read_text(root / "etc/fstab").splitlines() if not line.startswith("#"))
    return [(fields[1], fields[3].split(",")) for fields in lines if len(fields) > 3]


def _unescape(field: str) -> str:
    for escape, meaning in _ESCAPES.items():
        field = field.replace(escape, meaning)
    return field
