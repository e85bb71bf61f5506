"""An arm64 userland like a 64-bit Raspberry Pi OS Bookworm has, run by qemu on any machine, without root."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from support.roots.cache import cached
from support.roots.debian import host_architecture, unpack
from support.roots.wheels import ARM64_PYTHON_311, install_wheels, pins

__all__ = ["Arm64Root", "arm64_root"]

PACKAGES = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libexpat1",
    "libbz2-1.0",
    "liblzma5",
    "libsqlite3-0",
    "libffi8",
    "libssl3",
    "libuuid1",
    "libncursesw6",
    "libtinfo6",
    "libdb5.3",
    "libnsl2",
    "libtirpc3",
    "libcrypt1",
)
SUITE = "bookworm"
GLIBC_MINOR = 36
QEMU_SUITE = "trixie"
"""qemu 10: 7.2 (bookworm) shows the guest no /proc/cpuinfo, and XNNPACK then does without, or crashes."""
EMULATOR = "qemu/usr/bin/qemu-aarch64"


@dataclass(frozen=True)
class Arm64Root:
    """The unpacked userland and the emulator that runs it."""

    path: Path

    def python(self, cpu: str, folder: Path) -> Path:
        """Write a command into `folder` that is an arm64 Python on the processor `cpu`, and return it.

        It needs no binfmt_misc: the command is a script, and Python takes it for its own executable, so that children
        started as `sys.executable` run on the same processor.
        """
        command = folder / f"python-{cpu}"
        root = shlex.quote(str(self.path))
        command.write_text(
            "#!/bin/sh\n"
            f"export PYTHONHOME={root}/usr\n"
            f'export PYTHONPATH={root}/site"${{PYTHONPATH:+:$PYTHONPATH}}"\n'
            f'exec {root}/{EMULATOR} -0 "$0" -L {root} -cpu {cpu} {root}/usr/bin/python3.11 "$@"\n'
        )
        command.chmod(0o755)
        return command


def arm64_root(distribution: str) -> Arm64Root:
    """Return a root with Python 3.11 and the libraries that a distribution needs (250 MB, built once).

    Raises RootUnavailableError where the packages cannot be had.
    """
    wheels = pins(distribution, ARM64_PYTHON_311)

    def build(folder: Path) -> None:
        unpack(PACKAGES, SUITE, "arm64", folder)
        _unpack_emulator(folder / "qemu")
        install_wheels(wheels, "3.11", "aarch64", GLIBC_MINOR, folder / "site")

    return Arm64Root(cached("arm64", [SUITE, QEMU_SUITE, *PACKAGES, *wheels], build))


def _unpack_emulator(folder: Path) -> None:
    folder.mkdir()
    unpack(["qemu-user"], QEMU_SUITE, host_architecture(), folder)
    for program in folder.glob("usr/bin/*"):  # forty of them, 400 MB
        if program.resolve().name != Path(EMULATOR).name:
            program.unlink()
