"""Check this machine, and say how to mend it.

A check is a function from a `Machine` to a `Finding` and a line in `mnv2_edge.doctor.checks.CHECKS`; nothing else needs
to know of it. What it looks at beyond files it takes from the `Machine`, so that a test can invent it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mnv2_edge.devices import Camera
from mnv2_edge.doctor.login import BrokerLogin, LoginTrouble
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.errors import EdgeError
from mnv2_edge.plugins import Plugin
from mnv2_edge.service.manager import UnitState, read_state
from mnv2_engines.errors import EnginesError

__all__ = ["Check", "Finding", "Machine", "Verdict", "examine"]

Verdict: TypeAlias = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    verdict: Verdict
    """`warn`: works, but not as well as it could, or perhaps not what was meant. `fail`: does not work."""
    why: str
    mend: str = ""
    """The command to type; empty when all is well, or when no command would help."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What checks look at."""

    python: tuple[int, int, int]
    distributions: Mapping[str, str]
    """Installed packages and their versions; names in lower case, with `-`."""
    requirements: Sequence[str]
    """What our own package says it needs, as in its metadata; empty when it is not installed."""
    plugins: Sequence[Plugin]
    engine: Path
    """The demo network's engine."""
    home: Path
    """Where the store of engines is."""
    run_python: Callable[..., Probe]
    """`mnv2_edge.doctor.probe.run_python` or what stands for it."""
    run_command: Callable[..., Probe]
    """`mnv2_edge.doctor.probe.run_command` or what stands for it."""
    root: Path
    """Where the system's files are: `/proc`, `/etc`, dpkg's list."""
    list_cameras: Callable[[], Sequence[Camera]]
    may_open: Callable[[Path], bool]
    """Whether this user may read and write a device."""
    brokers: Sequence[BrokerLogin]
    log_in: Callable[[BrokerLogin], LoginTrouble | None]
    """`mnv2_edge.doctor.login.log_in` or what stands for it."""
    read_unit: Callable[[str], UnitState] = read_state
    """How an instance of the service is."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    name: str
    look: Callable[[Machine], Finding]


def examine(machine: Machine, checks: Sequence[Check]) -> tuple[tuple[str, Finding], ...]:
    """Run every check; one that raises an error of ours has found a failure, and the rest still runs."""
    findings = []
    for check in checks:
        try:
            finding = check.look(machine)
        except (EdgeError, EnginesError) as exc:
            finding = Finding("fail", str(exc))
        findings.append((check.name, finding))
    return tuple(findings)
