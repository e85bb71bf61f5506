"""Checks of file systems and of the storage below them."""

import os
import shlex
from pathlib import Path
from typing import Final

from mnv2_edge.doctor import Finding, Machine, combine
from mnv2_edge.host.storage import DiskUsage, FlashStorage, Mount, mount_of, read_flash, read_mounts
from mnv2_edge.service.paths import ServicePaths

__all__ = ["check_disk", "check_flash"]

_LITTLE_MIB: Final = 200
"""A build of an ImageNet network leaves about 50 MB, an upgrade of the software 500."""
_NOTHING_MIB: Final = 16
_TMP: Final = "/tmp"  # noqa: S108 - only looked at
_TMP_LITTLE_MIB: Final = 32
_FEW_INODES: Final = 2000
_LOOK: Final = "journalctl -k -g 'EXT4-fs|mmc|I/O error'"
_PASSING: Final = frozenset({"overlay", "tmpfs"})
_LOST: Final = " (where what is written may be gone after a restart)"
_WORN_PERCENT: Final = 90


def check_disk(machine: Machine) -> Finding:
    """Find file systems of ours that are full, that the kernel has made read-only, or that ext4 found errors on."""
    mounts = read_mounts(machine.root)
    findings, seen = [], set()
    for folder, little_mib in _folders(machine):
        try:
            usage = machine.usage(folder)
        except TimeoutError:
            why = f"{folder} does not answer: is it on a share whose server is gone?"
            findings.append(Finding("fail", why, "findmnt -t nfs,nfs4,cifs,fuse.sshfs"))
            continue
        if usage is None or usage.device in seen:
            continue
        seen.add(usage.device)
        mount = mount_of(Path(os.path.realpath(folder)), mounts)
        if mount is not None:
            findings += _look_at_mount(mount, is_store=folder == machine.home)
        if mount is None or not mount.read_only:
            findings.append(_judge_room(usage, mount, mount.target if mount else str(folder), little_mib))
    return combine(findings) if findings else Finding("ok", "nothing is known of it")


def check_flash(machine: Machine) -> Finding:
    """Find eMMC near the end of its life. SD cards, NVMe drives and USB sticks do not tell the kernel of theirs."""
    found = read_flash(machine.root)
    if not found:
        return Finding("ok", "no SD card and no eMMC; of a drive `sudo smartctl -a DEVICE` tells")
    return combine([_judge_flash(flash) for flash in found])


def _folders(machine: Machine) -> list[tuple[Path, int]]:
    """Return where something is written, and how many MiB should be free there."""
    paths = ServicePaths(machine.root)
    folders = [machine.home, *([machine.cache] if machine.cache else [])]
    if paths.software.is_dir():  # the service's, which has its state in a folder that others may not enter
        folders.append(paths.state)
    folders += [
        Path(configured.config.save.folder)
        for configured in machine.configurations
        if configured.config is not None and configured.config.save.folder is not None
    ]
    return [*((folder, _LITTLE_MIB) for folder in folders), (Path(_TMP), _TMP_LITTLE_MIB)]


def _look_at_mount(mount: Mount, *, is_store: bool) -> list[Finding]:
    if mount.read_only and mount.errors:
        why = f"{mount.target} became read-only after {mount.errors} errors of {mount.source}: save what is on it"
        return [Finding("fail", why, _LOOK)]
    if mount.read_only and not mount.meant_read_only:
        return [Finding("fail", f"{mount.target} is read-only, which /etc/fstab does not ask for", _LOOK)]
    if mount.read_only and is_store:
        return [Finding("warn", f"the store of engines is on {mount.target}, which is read-only: none can be built")]
    if mount.errors:
        why = f"{mount.target} has {mount.errors} errors on {mount.source}, until somebody checks it"
        return [Finding("warn", why, _LOOK)]
    return []


def _judge_room(usage: DiskUsage, mount: Mount | None, name: str, little_mib: int) -> Finding:
    mib = usage.free_bytes >> 20
    if mib < min(_NOTHING_MIB, little_mib):
        return Finding("fail", f"{name} is full: {mib} MiB are free", _biggest(name))
    if usage.free_inodes is not None and usage.free_inodes < _FEW_INODES:
        why = f"{name} has room for {usage.free_inodes} more files only, whatever their size"
        return Finding(
            "warn" if usage.free_inodes else "fail", why, f"sudo du --inodes -x {shlex.quote(name)} | sort -n | tail"
        )
    if mib < little_mib:
        return Finding("warn", f"{name} is nearly full: {mib} MiB are free", _biggest(name))
    is_lost = mount is not None and mount.kind in _PASSING and name != _TMP
    return Finding("ok", f"{_amount(mib)} free on {name}{_LOST if is_lost else ''}")


def _judge_flash(flash: FlashStorage) -> Finding:
    kind = "SD card" if flash.kind == "SD" else "eMMC"
    name = f"{kind} {flash.name or flash.device}{f' of {flash.date}' if flash.date else ''}"
    used = flash.used_percent
    if flash.spare == "urgent" or (used or 0) > 100:
        return Finding(
            "fail", f"{name} is at the end of its life: save what is on it", f"mmc extcsd read /dev/{flash.device}"
        )
    if flash.spare == "warning" or (used or 0) >= _WORN_PERCENT:
        worn = f"up to {used} % of its life is used" if used else "80 % of its spare blocks are used"
        return Finding("warn", f"{name} is nearly worn out: {worn}", f"mmc extcsd read /dev/{flash.device}")
    return Finding("ok", f"{name}: {f'up to {used} % of its life is used' if used else 'does not tell how worn it is'}")


def _amount(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib} MiB"


def _biggest(name: str) -> str:
    return f"sudo du -xh --max-depth=3 {shlex.quote(name)} | sort -h | tail -n 20"
