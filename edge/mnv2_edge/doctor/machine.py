"""What the checks look at, on the machine that this runs on."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from mnv2_edge.cameras import list_cameras
from mnv2_edge.cameras.v4l2_probe import NodeAbilities, probe_node
from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.connections.broker_login import BrokerLogin, log_in
from mnv2_edge.doctor.probe import run_command, run_python
from mnv2_edge.doctor.service.configured import Configured
from mnv2_edge.errors import AccessError
from mnv2_edge.host.storage import read_usage
from mnv2_edge.host.timeout import TimedCall
from mnv2_edge.plugins import installed_plugins
from mnv2_edge.service.systemd import read_state
from mnv2_engines.demo import demo_engine_path

__all__ = ["this_machine"]

_PATIENCE_S: Final = 5.0


def this_machine(
    brokers: Sequence[BrokerLogin],
    home: Path,
    *,
    cache_folder: Path | None = None,
    configurations: Sequence[Configured] = (),
) -> Machine:
    """Return the machine as it is; nothing is imported or opened before a check asks for it. `home` holds the store."""
    return Machine(
        python=sys.version_info[:3],
        distributions=_distributions(),
        requirements=_requirements(),
        plugins=installed_plugins(),
        engine=demo_engine_path(),
        home=home,
        run_python=run_python,
        run_command=run_command,
        root=Path("/"),
        list_cameras=cache(lambda: list_cameras(probe=_probe_patiently)),  # several checks ask
        may_open=lambda path: os.access(path, os.R_OK | os.W_OK),
        brokers=brokers,
        log_in=log_in,
        cache=cache_folder,
        configurations=configurations,
        usage=TimedCall(read_usage, _PATIENCE_S),
        read_unit=lambda name: read_state(name, _run_briefly),
    )


def _run_briefly(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run one of systemd's tools as `systemctl` of `mnv2_edge.service.systemd` does, but do not wait for a dead one."""
    if shutil.which(command[0]) is None:
        raise AccessError(f"{command[0]} is not here: a service needs systemd")
    probe = run_command(*command, timeout_s=4 * _PATIENCE_S)
    return subprocess.CompletedProcess(command, 1 if probe.trouble else 0, probe.output, probe.trouble)


def _probe_patiently(path: Path) -> NodeAbilities | None:
    try:
        return TimedCall(probe_node, _PATIENCE_S)(path)
    except TimeoutError as exc:
        why = "its driver does not answer: unplug it and plug it in again, or restart the board"
        raise TimeoutError(errno.ETIMEDOUT, why, str(path)) from exc


def _distributions() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a broken installation leaves folders without one
            found.setdefault(name.lower().replace("_", "-"), distribution.version)
    return found


def _requirements() -> tuple[str, ...]:
    try:
        return tuple(metadata.requires("mnv2-edge") or ())
    except metadata.PackageNotFoundError:
        return ()
