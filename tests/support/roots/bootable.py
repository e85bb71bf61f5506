"""A Debian that boots, with systemd, Python and mosquitto, installed as debootstrap does it; as root."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.roots.cache import RootUnavailableError, cached
from support.roots.debian import host_architecture, mirror, unpack

__all__ = ["BootableRoot", "bootable_root"]

PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "python3", "mosquitto", "mosquitto-clients", "procps")
PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
TOOLS_SUITE = "bookworm"
TOOLS = ("debootstrap", "systemd-container", "libsystemd-shared")
"""Those of one release boot the others too."""
DEBOOTSTRAP_S = 600


@dataclass(frozen=True)
class BootableRoot:
    """The tree, and the tools that boot it."""

    path: Path
    python: str
    """Which Python the system has, as in `3.11`."""

    @property
    def tree(self) -> Path:
        """Return what is / inside."""
        return self.path / "tree"

    @property
    def tools(self) -> Path:
        """Return where systemd-nspawn is unpacked."""
        return self.path / "tools"


def bootable_root(suite: str) -> BootableRoot:
    """Return a release's tree (350 MB, built once). Raises RootUnavailableError where it cannot be had."""
    if os.geteuid() != 0:
        raise RootUnavailableError("only root can boot a system in a container")
    if host_architecture() not in ("amd64", "arm64"):
        raise RootUnavailableError(f"this machine is {host_architecture()}: amd64 or arm64 is needed")

    def build(folder: Path) -> None:
        tools = folder / "tools"
        tools.mkdir()
        unpack(TOOLS, TOOLS_SUITE, host_architecture(), tools)
        _debootstrap(tools, folder / "tree", suite)

    return BootableRoot(cached(f"bootable-{suite}", [suite, *PACKAGES, *TOOLS], build), PYTHONS[suite])


def _debootstrap(tools: Path, tree: Path, suite: str) -> None:
    command = [
        str(tools / "usr/sbin/debootstrap"),
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        suite,
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
