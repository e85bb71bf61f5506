"""Look around on the machine that this runs on."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from mnv2_edge.devices import list_cameras
from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.configured import Configured
from mnv2_edge.doctor.login import BrokerLogin, log_in
from mnv2_edge.doctor.probe import run_command, run_python
from mnv2_edge.plugins import installed_plugins
from mnv2_engines.demo import demo_engine_path

__all__ = ["this_machine"]


def this_machine(
    brokers: Sequence[BrokerLogin],
    home: Path,
    *,
    cache: Path | None = None,
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
        list_cameras=list_cameras,
        may_open=lambda path: os.access(path, os.R_OK | os.W_OK),
        brokers=brokers,
        log_in=log_in,
        cache=cache,
        configurations=configurations,
    )


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
