"""An amd64 userland of Debian trixie with libcamera 0.4, picamera2 from PyPI, and libcamera's virtual camera."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.roots.cache import RootUnavailableError, cached
from support.roots.debian import host_architecture, unpack
from support.roots.wheels import install_wheels, pins

__all__ = ["TrixieRoot", "trixie_root"]

PACKAGES = (
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libzstd1",
    "libexpat1",
    "libssl3t64",
    "libffi8",
    "libuuid1",
    "libpython3.13-minimal",
    "python3.13-minimal",
    "libpython3.13-stdlib",
    # what libcamera is linked with
    "libelf1t64",
    "libdw1t64",
    "libgmp10",
    "libnettle8t64",
    "libhogweed6t64",
    "libunistring5",
    "libidn2-0",
    "libp11-kit0",
    "libtasn1-6",
    "libgnutls30t64",
    "liblttng-ust-common1t64",
    "liblttng-ust-ctl5t64",
    "liblttng-ust1t64",
    "libnuma1",
    "libcap2",
    "libudev1",
    "libyaml-0-2",
    "libjpeg62-turbo",
    "libyuv0",
    "libcamera0.4",
    "python3-libcamera",
)
PICAMERA2 = ("picamera2==0.3.38", "pillow", "piexif", "simplejpeg", "tqdm", "videodev2")
SUITE = "trixie"
GLIBC_MINOR = 41
ENVIRONMENT = {
    "platform_machine": "x86_64",
    "python_version": "3.13",
    "python_full_version": "3.13.5",
    "sys_platform": "linux",
    "extra": "",
}
WORK = Path("/work")
"""Where a test's own folder appears inside the root."""

# In a mount namespace of its own, so that nothing has to be unmounted whatever happens; "$0" is the root.
_ENTER = """
mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && mount --bind "$1" "$0/work" || exit 125
root=$0; shift
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class TrixieRoot:
    """The unpacked userland."""

    path: Path

    def command(self, work: Path, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs the root's Python with `work` at /work; virtual.yaml in it names the cameras."""
        enter = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        return [*enter, "sh", "-c", _ENTER, str(self.path), str(work), "/usr/bin/python3.13", *arguments]

    def environment(self, *folders: Path) -> dict[str, str]:
        """Return what the root's Python is started with; `folders` come first among the places of modules."""
        path = [*map(str, folders), "/site", "/usr/lib/python3/dist-packages"]
        return {
            "HOME": str(WORK),
            "TMPDIR": str(WORK),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": ":".join(path),
        }


def trixie_root(distribution: str) -> TrixieRoot:
    """Return a root with Python 3.13, picamera2 and the libraries that a distribution needs (400 MB, built once).

    Raises RootUnavailableError where the packages cannot be had or a mount namespace is not allowed.
    """
    architecture = host_architecture()
    if architecture != "amd64":
        raise RootUnavailableError(f"the root with picamera2 is of amd64, this machine is {architecture}")
    wheels = [*pins(distribution, ENVIRONMENT), *PICAMERA2]

    def build(folder: Path) -> None:
        for name in ("bin", "lib", "lib64", "sbin"):
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")
        for name in ("dev", "proc", "work", "usr/share/libcamera/pipeline/virtual"):
            (folder / name).mkdir(parents=True)
        (folder / "usr/share/libcamera/pipeline/virtual/virtual.yaml").symlink_to(WORK / "virtual.yaml")
        unpack(PACKAGES, SUITE, architecture, folder)
        install_wheels(wheels, "3.13", "x86_64", GLIBC_MINOR, folder / "site")

    root = TrixieRoot(cached("trixie", [SUITE, *PACKAGES, *wheels], build))
    _try(root)
    return root


def _try(root: TrixieRoot) -> None:
    command = root.command(root.path, ["-c", "import libcamera"])
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=root.environment())
    if done.returncode:
        raise RootUnavailableError(f"{root.path} cannot be entered (run this as root): {done.stderr.strip()}")
