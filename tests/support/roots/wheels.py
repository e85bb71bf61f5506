"""Install for another machine the very versions of the libraries that this environment has."""

import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.roots.debian import run_tool

__all__ = ["ARM64_PYTHON_311", "install_project", "install_wheels", "pins"]

ARM64_PYTHON_311: Mapping[str, str] = {
    "platform_machine": "aarch64",
    "python_version": "3.11",
    "python_full_version": "3.11.2",
    "sys_platform": "linux",
    "extra": "",
}


def pins(distribution: str, environment: Mapping[str, str]) -> list[str]:
    """Return `name==version` for everything that a distribution needs at run time in that environment, without itself.

    A library that only the other environment needs has no version here, so it stays unpinned.
    """
    found: dict[str, str] = {}
    waiting = [distribution]
    while waiting:
        for line in _requirements(waiting.pop()):
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            if name in found or (requirement.marker and not requirement.marker.evaluate(dict(environment))):
                continue
            found[name] = _pin(name)
            waiting.append(name)
    return sorted(found.values())


def install_wheels(wheels: Sequence[str], python: str, machine: str, glibc_minor: int, into: Path) -> None:
    """Unpack binary wheels for a Python "3.11" on a machine "aarch64" with glibc 2.`glibc_minor` into a folder."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(glibc_minor, 16, -1)]
    platforms.append(f"manylinux2014_{machine}")
    tags = [f"--platform={platform}" for platform in platforms]
    target = [f"--python-version={python}", "--implementation=cp", "--only-binary=:all:", *tags]
    _pip("--no-deps", *target, f"--target={into}", *wheels)


def install_project(source: Path, into: Path) -> None:
    """Build the project's wheel and unpack it: what is tested is what is shipped."""
    _pip("--no-deps", f"--target={into}", str(source))


def _requirements(distribution: str) -> list[str]:
    try:
        return metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []


def _pin(name: str) -> str:
    try:
        return f"{name}=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def _pip(*arguments: str) -> None:
    run_tool(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", *arguments)
