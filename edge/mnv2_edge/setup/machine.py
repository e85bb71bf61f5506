"""The setup's view of this machine, which a test can replace."""

import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mnv2_edge.cameras import Camera, list_cameras
from mnv2_edge.cameras.ribbon import RibbonCameras, list_ribbons
from mnv2_edge.doctor.connections.broker_login import BrokerLogin, LoginFailure, log_in
from mnv2_edge.environment import Environment
from mnv2_edge.service.paths import ServicePaths
from mnv2_edge.sources import FrameSource
from mnv2_edge.sources.open import open_source
from mnv2_engines.child_python import module_command
from mnv2_engines.tensorrt.jetson import is_jetson

__all__ = ["SetupHost", "broker_answers_here", "run_ourselves"]


def run_ourselves(arguments: Sequence[str], secrets: Mapping[str, str]) -> int:
    """Run `mnv2-edge ARGUMENTS` in a process of its own, on the same terminal; return its exit status.

    128 + N when signal N ended it, as shells have it: Ctrl-C does so to a Python that has only just started.
    `secrets` go into its environment, which no other user can read.
    """
    command = module_command("mnv2_edge", *arguments)
    status = subprocess.run(command, check=False, env={**os.environ, **secrets}).returncode
    return status if status >= 0 else 128 - status


def broker_answers_here() -> bool:
    """Return whether something listens where a broker does, on this very machine: no packet leaves it."""
    try:
        socket.create_connection(("localhost", 1883), timeout=1.0).close()
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class SetupHost:
    """This machine."""

    environment: Environment
    paths: ServicePaths = field(default_factory=ServicePaths)
    hostname: str = ""
    is_root: bool = False
    is_jetson: bool = field(default_factory=is_jetson)
    watch_s: float = 2.0
    """How long a camera, and then the network on it, is watched."""
    timeout_s: float = 30.0
    """How much longer opening a camera may take; one that hangs in its driver is left behind."""
    list_cameras: Callable[[], tuple[Camera, ...]] = list_cameras
    list_ribbons: Callable[[Sequence[Camera]], RibbonCameras] = list_ribbons
    open_source: Callable[..., FrameSource] = open_source
    """`mnv2_edge.sources.open.open_source` or what stands for it."""
    log_in: Callable[[BrokerLogin], LoginFailure | None] = log_in
    broker_answers_here: Callable[[], bool] = broker_answers_here
    run_ourselves: Callable[[Sequence[str], Mapping[str, str]], int] = run_ourselves
