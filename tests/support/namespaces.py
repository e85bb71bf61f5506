"""Give a process mounts of its own, without being root: a small disk, or other files in the place of the kernel's."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def with_mounts(mounts: Sequence[str], command: Sequence[str], *, other_users: bool = False) -> list[str]:
    """Return a command that mounts (each the arguments of mount(8)) and becomes `command`; skip where it may not.

    With `other_users` root stays root of the machine, and so may become anybody else.
    """
    script = "".join(f"mount {mount} || exit 99; " for mount in mounts) + 'exec "$@"'
    unshare = ("unshare", "--mount") if other_users and os.geteuid() == 0 else _UNSHARE
    whole = [*unshare, "sh", "-c", script, "sh"]
    try:
        tried = subprocess.run([*whole, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare(1)")
    if tried.returncode:
        pytest.skip(f"this user may not mount, not even for itself: {tried.stderr.strip()}")
    return [*whole, *command]


def remount(pid: int, options: str, place: Path) -> None:
    """Mount anew what that process has there."""
    enter = ("nsenter", "--target", str(pid), "--user", "--mount", "--preserve-credentials")
    subprocess.run([*enter, "mount", "-o", f"remount,{options}", str(place)], check=True)
