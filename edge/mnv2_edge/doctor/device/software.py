"""Checks of Python and its installed packages."""

import re
import sys
from collections.abc import Iterable
from typing import Final

from mnv2_edge.doctor import Finding, Machine

__all__ = ["check_opencv", "check_packages", "check_plugins", "check_python"]

_OLDEST_PYTHON: Final = (3, 10)
_REQUIREMENT: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+?)\s*>=\s*(?P<floor>[0-9.]+)\s*(?P<marker>;.*)?")
_OPENCVS: Final = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_IMPORT_CV2: Final = "import cv2, numpy; print(f'OpenCV {cv2.__version__}, numpy {numpy.__version__}')"


def check_python(machine: Machine) -> Finding:
    """Find a Python that is too old."""
    version = ".".join(str(part) for part in machine.python)
    if machine.python < _OLDEST_PYTHON:
        return Finding(
            "fail", f"Python {version} is too old: 3.10 is the oldest", "sudo apt install python3 python3-venv"
        )
    return Finding("ok", f"Python {version} in {sys.prefix}")


def check_packages(machine: Machine) -> Finding:
    """Find what we need and is missing or too old. LiteRT, which depends on the machine, has a check of its own."""
    if not machine.requirements:
        return Finding(
            "warn", "mnv2-edge runs without being installed: plug-ins are not found", "pip install --editable ."
        )
    wrong, versions = [], []
    for requirement in machine.requirements:
        match = _REQUIREMENT.fullmatch(requirement)
        if match is None or match["marker"]:
            continue
        name, floor = match["name"].lower().replace("_", "-"), match["floor"]
        version = machine.distributions.get(name)
        if version is None or _numbers(version) < _numbers(floor):
            wrong.append((f"{name}>={floor}", f"{name} {version or 'is missing'}"))
        else:
            versions.append(f"{name} {version}")
    if wrong:
        needs = " ".join(f"'{need}'" for need, _ in wrong)
        return Finding("fail", f"{', '.join(what for _, what in wrong)}; needed: {needs}", f"pip install {needs}")
    return Finding("ok", ", ".join(versions))


def check_opencv(machine: Machine) -> Finding:
    """Find an OpenCV that cannot be imported, and several that overwrite each other's `cv2`."""
    installed = [name for name in _OPENCVS if name in machine.distributions]
    if len(installed) > 1:
        return Finding(
            "fail",
            f"{' and '.join(installed)} are installed over each other: which one `import cv2` finds is chance",
            f"pip uninstall -y {' '.join(installed)} && pip install opencv-python-headless",
        )
    probe = machine.run_python(_IMPORT_CV2)
    if not probe.trouble:
        return Finding("ok", probe.output)
    if "numpy" in probe.trouble.lower():
        mend = "pip install --upgrade --force-reinstall opencv-python-headless"
    elif "lib" in probe.trouble:
        mend = "pip uninstall -y opencv-python && pip install opencv-python-headless"
    else:
        mend = "pip install --force-reinstall opencv-python-headless"
    return Finding("fail", f"OpenCV cannot be imported: {probe.trouble}", mend)


def check_plugins(machine: Machine) -> Finding:
    """Find names that several packages claim."""
    claims: dict[tuple[str, str], set[str]] = {}
    for plugin in machine.plugins:
        claims.setdefault((plugin.group, plugin.name), set()).add(plugin.distribution)
    for (group, name), packages in claims.items():
        if len(packages) > 1:
            one = max(packages).split()[0]
            return Finding(
                "fail", f"{name!r} in {group} is claimed by {', '.join(sorted(packages))}", f"pip uninstall {one}"
            )
    foreign = sorted(
        {plugin.distribution for plugin in machine.plugins if not plugin.distribution.startswith("mnv2-edge ")}
    )
    return Finding("ok", f"{len(claims)} entry points, {_list(foreign) or 'all of them ours'}")


def _list(packages: Iterable[str]) -> str:
    names = ", ".join(packages)
    return f"some of {names}" if names else ""


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, without trailing zeros: 2.0.0rc1 is not older than 2.0 here."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
