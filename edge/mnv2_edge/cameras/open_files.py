"""The processes that have a device open, as far as this user may know."""

import os
from pathlib import Path

from mnv2_edge.host.files import read_text

__all__ = ["users_of"]


def users_of(node: Path, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return `NAME (PID)` of every other process that has the node open; only root sees those of other users."""
    target = os.path.realpath(node)
    found = []
    for folder in proc.iterdir() if proc.is_dir() else ():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            opened = any(str(link.readlink()) == target for link in (folder / "fd").iterdir())
            name = read_text(folder / "comm") if opened else ""
        except OSError:  # it has ended, or is another user's
            continue
        if opened:
            found.append(f"{name} ({folder.name})")
    return tuple(sorted(found))
