"""Checks of this machine, each with the command that repairs it.

A check is a function from a `Machine` to a `Finding` and a line in `mnv2_edge.doctor.checks.CHECKS`; nothing else needs
to know of it. What it looks at beyond files it takes from the `Machine`, so that a test can invent it.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mnv2_edge.cameras import Camera
from mnv2_edge.doctor.connections.broker_login import BrokerLogin, LoginFailure, read_certificate
from mnv2_edge.doctor.probe import Probe
from mnv2_edge.doctor.service.configured import Configured
from mnv2_edge.errors import EdgeError
from mnv2_edge.host.clock import clock_synced
from mnv2_edge.host.storage import DiskUsage, read_usage
from mnv2_edge.plugins import Plugin
from mnv2_edge.service.systemd import UnitState, read_state
from mnv2_engines.errors import EnginesError

__all__ = ["Check", "Finding", "Fix", "Machine", "Verdict", "combine", "examine"]

Verdict: TypeAlias = Literal["ok", "warn", "fail"]
_SEVERITY: Final = ("ok", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Fix:
    """A step that `--fix` may take by itself: one that can be undone, and changes only files of this project."""

    does: str
    """In words, to follow `to`: `close the store to other users`."""
    command: tuple[str, ...]
    """What is run, and shown; `mnv2-edge` in front stands for this very program."""
    root: bool = False
    """Whether only root may do it. Others are shown the command: nothing here ever calls sudo."""
    slow: bool = False
    """Whether it may take minutes: a user at a terminal is asked first, and without one it is not done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check."""

    verdict: Verdict
    """`warn`: works, but not as well as it could, or perhaps not what was meant. `fail`: does not work, or is about
    to break."""
    why: str
    mend: str = ""
    """The command to type, or several, one a line; empty when all is well, or when no command would help."""
    fixes: tuple[Fix, ...] = ()
    """What can be done about it without being asked twice; empty for most."""


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
    log_in: Callable[[BrokerLogin], LoginFailure | None]
    """`mnv2_edge.doctor.connections.broker_login.log_in` or what stands for it."""
    read_unit: Callable[[str], UnitState] = read_state
    """How an instance of the service is."""
    configurations: Sequence[Configured] = ()
    """The one that was named, or else those of the service's instances."""
    cache: Path | None = None
    """Where it is kept which engines were tested here."""
    prefix: Path = Path(sys.prefix)
    """Of this Python: a virtual environment, usually."""
    arch: str = os.uname().machine
    """What the kernel says: `aarch64` also to a 32-bit Python."""
    bits: int = 64 if sys.maxsize > 2**32 else 32
    """Of this Python."""
    uid: int = os.geteuid()
    usage: Callable[[Path], DiskUsage | None] = read_usage
    """How full the file system is on which a folder lies."""
    clock_synced: Callable[[], bool] = clock_synced
    now: Callable[[], float] = time.time
    read_certificate: Callable[[BrokerLogin], bytes | None] = read_certificate
    """The certificate that a broker shows, in DER; None when it shows none."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the doctor."""

    name: str
    look: Callable[[Machine], Finding]


def examine(
    machine: Machine, checks: Sequence[Check], announce: Callable[[str], None] = lambda _name: None
) -> tuple[tuple[str, Finding], ...]:
    """Run every check; one that raises an error of ours, or of the system, has failed, and the rest still runs.

    `announce` is called with the name of each before it runs.
    """
    findings = []
    for check in checks:
        announce(check.name)
        try:
            finding = check.look(machine)
        except (EdgeError, EnginesError) as exc:
            finding = Finding("fail", str(exc))
        except OSError as exc:
            finding = Finding("fail", f"{exc.filename or check.name} cannot be looked at: {exc.strerror or exc}")
        findings.append((check.name, finding))
    return tuple(findings)


def combine(findings: Sequence[Finding]) -> Finding:
    """Make one finding of several about the same matter: the worst verdict, and only what led to more than `ok`.

    There has to be at least one. Commands stand in the order of what they are for, the worst first.
    """
    worst = sorted(findings, key=lambda finding: -_SEVERITY.index(finding.verdict))
    shown = [finding for finding in worst if finding.verdict != "ok"] or worst
    return Finding(
        worst[0].verdict,
        "; ".join(dict.fromkeys(finding.why for finding in shown)),
        "\n".join(dict.fromkeys(finding.mend for finding in shown if finding.mend)),
        tuple(fix for finding in shown for fix in finding.fixes),
    )
