"""Pack all that an installation without a network needs into one archive: `make bundle`.

    python tools/make_bundle.py OUTPUT                                   for this machine and this Python
    python tools/make_bundle.py OUTPUT --machine aarch64 --python 3.11 --python 3.13

In it: our wheel, the wheels of what it needs for every Python named (with PyAV for RTSP, and with CUDA for the Pythons
of Jetsons), a pip, install.sh and what it lays out, and a SHA256SUMS of everything.
`deploy/install.sh --offline ARCHIVE` takes it. For Python 3.11 there are two sets: apt's picamera2 on Raspberry Pi OS
Bookworm is built against numpy 1.
"""

import argparse
import email
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("systemd", "deploy")
DOCUMENTS = ("operations.md", "privacy.md")
GLIBC_MINORS = range(35, 16, -1)
"""Ubuntu 22.04 (JetPack 6) has glibc 2.35, Debian 12 has 2.36: the older one decides."""
NUMPY1_PYTHON = "3.11"
JETPACK_PYTHONS = ("3.10", "3.12")
"""Of JetPack 6 and 7."""


class Target:
    """A Python on a machine, as pip names them."""

    def __init__(self, python: str, machine: str) -> None:
        self.python = python
        self.machine = machine
        self.platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS] + [f"manylinux2014_{machine}"]
        self.environment = {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "platform_machine": machine,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "extra": "",
        }

    def extras(self) -> tuple[str, ...]:
        """Return which extras a service there may need: CUDA where this may be a Jetson."""
        return ("rtsp", "cuda") if self.machine == "aarch64" and self.python in JETPACK_PYTHONS else ("rtsp",)

    def tags(self) -> set[Tag]:
        """Return the tags of wheels that fit."""
        version = tuple(int(part) for part in self.python.split("."))
        if version == sys.version_info[:2] and self.machine == os.uname().machine:
            return set(sys_tags())
        interpreter = f"cp{version[0]}{version[1]}"
        return {
            *cpython_tags(version, platforms=self.platforms),
            *compatible_tags(version, interpreter, self.platforms),
        }

    def pip_options(self) -> list[str]:
        """Return what makes `pip download` look for this target."""
        return [
            f"--python-version={self.python}",
            "--implementation=cp",
            *(f"--platform={platform}" for platform in self.platforms),
        ]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="a folder, for the archive")
    parser.add_argument("--machine", default=os.uname().machine, choices=["aarch64", "x86_64"])
    parser.add_argument("--python", action="append", metavar="3.N", help="several times for several")
    arguments = parser.parse_args()
    pythons = sorted(arguments.python or [f"3.{sys.version_info.minor}"], key=Version)
    with tempfile.TemporaryDirectory(dir=arguments.output if arguments.output.is_dir() else None) as work:
        wheels = Path(work) / "wheels"
        wheels.mkdir()
        ours = build_ours(wheels)
        for python in pythons:
            fetch(wheels, ours, Target(python, arguments.machine))
        version = str(parse_wheel_filename(ours.name)[1])
        name = f"mnv2-edge-{version}-{arguments.machine}"
        archive = pack(arguments.output, name, wheels)
    print(f"{archive}  {archive.stat().st_size / 1e6:.0f} MB, Python {', '.join(pythons)}")


def build_ours(wheels: Path) -> Path:
    """Build our wheel with the build backend of this environment."""
    pip("wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}", str(ROOT))
    (wheel,) = wheels.glob("mnv2_edge-*.whl")
    return wheel


def fetch(wheels: Path, ours: Path, target: Target) -> None:
    """Download what our wheel needs on the target, and a pip to install it with."""
    variants: list[list[str]] = [[]]
    if target.python == NUMPY1_PYTHON:
        variants.append([f"--constraint={ROOT / 'deploy' / 'constraints-numpy1.txt'}"])
    for constraint in variants:
        download(wheels, target, *constraint, str(ours), "pip", *extra_requirements(ours, target))
    while missing := missing_requirements(wheels, target):
        download(wheels, target, "--no-deps", *missing)


def extra_requirements(ours: Path, target: Target) -> list[str]:
    """Return what the extras of our wheel need on the target; pip would look at markers with its own Python's eyes."""
    return sorted(
        f"{requirement.name}{requirement.specifier}"
        for requirement in requirements(ours)
        if requirement.marker is not None and not requirement.marker.evaluate(target.environment)
        for extra in target.extras()
        if requirement.marker.evaluate({**target.environment, "extra": extra})
    )


def download(wheels: Path, target: Target, *what: str) -> None:
    """Download wheels for the target, and what they need."""
    pip("download", "--only-binary=:all:", f"--dest={wheels}", *target.pip_options(), *what)


def missing_requirements(wheels: Path, target: Target) -> list[str]:
    """Return what wheels for the target need there and is not among them.

    pip evaluates markers for the Python that runs it (`pip download --python-version` does not change that), so it
    leaves out what only an older Python needs.
    """
    tags = target.tags()
    fitting = [path for path in wheels.glob("*.whl") if parse_wheel_filename(path.name)[3] & tags]
    there = {parse_wheel_filename(path.name)[0] for path in fitting}
    missing = {}
    for path in fitting:
        for requirement in requirements(path):
            applies = requirement.marker is None or requirement.marker.evaluate(target.environment)
            if applies and canonicalize_name(requirement.name) not in there:
                missing[requirement.name] = f"{requirement.name}{requirement.specifier}"
    return sorted(missing.values())


def requirements(wheel: Path) -> Iterator[Requirement]:
    """Yield what a wheel needs, by its own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (
            name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1
        )
        message = email.message_from_bytes(archive.read(metadata))
    for line in message.get_all("Requires-Dist") or []:
        yield Requirement(line)


def pack(output: Path, name: str, wheels: Path) -> Path:
    """Write the archive; the same content gives the same bytes. Wheels are compressed, so it is not."""
    files = dict(contents(wheels))
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {inside}\n" for inside, path in files.items())
    output.mkdir(parents=True, exist_ok=True)
    archive = output / f"{name}.tar"
    partial = archive.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
        for inside, path in files.items():
            with path.open("rb") as file:
                tar.addfile(member(f"{name}/{inside}", path.stat().st_size, executable=path.suffix == ".sh"), file)
        tar.addfile(member(f"{name}/SHA256SUMS", len(sums)), io.BytesIO(sums.encode()))
    partial.replace(archive)
    shutil.copy(ROOT / "deploy" / "install.sh", output / "install.sh")
    return archive


def contents(wheels: Path) -> Iterator[tuple[str, Path]]:
    """Yield where each file is in the archive and where it is now."""
    yield "install.sh", ROOT / "deploy" / "install.sh"
    for path in sorted(wheels.glob("*.whl")):
        yield f"wheels/{path.name}", path
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file():
                yield str(path.relative_to(ROOT)), path
    for document in DOCUMENTS:
        yield f"docs/{document}", ROOT / "docs" / document


def member(name: str, size: int, *, executable: bool = False) -> tarfile.TarInfo:
    """Describe a file of nobody and no time."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o755 if executable else 0o644
    return info


def pip(*arguments: str) -> None:
    """Run this environment's pip; end with its own words when it fails."""
    command: Sequence[str] = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet")
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"make_bundle: `pip {arguments[0]}` failed: the lines above say why")


if __name__ == "__main__":
    main()
