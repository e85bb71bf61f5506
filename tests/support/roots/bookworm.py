"""A Debian bookworm that boots: systemd 252, Python 3.11 and mosquitto, installed as debootstrap does it; as root."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.roots.cache import RootUnavailableError, cached
from support.roots.debian import host_architecture, mirror, unpack

__all__ = ["BootableRoot", "bookworm_root"]

SUITE = "bookworm"
PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "python3", "mosquitto", "mosquitto-clients", "procps")
TOOLS = ("debootstrap", "systemd-container")
DEBOOTSTRAP_S = 600


@dataclass(frozen=True)
class BootableRoot:
    """The tree, and the tools that boot it."""

    path: Path

    @property
    def tree(self) -> Path:
        """Return what is / inside."""
        return self.path / "tree"

    @property
    def tools(self) -> Path:
        """Return where systemd-nspawn is unpacked."""
        return self.path / "tools"


def bookworm_root() -> BootableRoot:
    """Return the tree (350 MB, built once). Raises RootUnavailableError where it cannot be had."""
    if os.geteuid() != 0:
        raise RootUnavailableError("only root can boot a system in a container")
    if host_architecture() not in ("amd64", "arm64"):
        raise RootUnavailableError(f"this machine is {host_architecture()}: amd64 or arm64 is needed")

    def build(folder: Path) -> None:
        tools = folder / "tools"
        tools.mkdir()
        unpack(TOOLS, SUITE, host_architecture(), tools)
        _debootstrap(tools, folder / "tree")

    return BootableRoot(cached("bookworm", [SUITE, *PACKAGES, *TOOLS], build))


def _debootstrap(tools: Path, tree: Path) -> None:
    command = [
        str(tools / "usr/sbin/debootstrap"),
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(tree),
        mirror(),
    ]
    environment = {**os.environ, "DEBOOTSTRAP_DIR": str(tools / "usr/share/debootstrap")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=DEBOOTSTRAP_S
        )
    except subprocess.TimeoutExpired as exc:
        raise RootUnavailableError(f"debootstrap did not end within {DEBOOTSTRAP_S} s: is there a network?") from exc
    if done.returncode:
        raise RootUnavailableError(f"debootstrap ended with {done.returncode}: {done.stdout[-400:]}")
