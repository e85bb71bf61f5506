"""Checks of what runs networks, and of cameras and brokers."""

import json
from collections.abc import Sequence
from typing import Final

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import users_of
from mnv2_edge.doctor import Finding, Machine, combine
from mnv2_edge.doctor.connections.broker_login import BrokerLogin
from mnv2_edge.doctor.connections.certificates import assess_shown_certificate

__all__ = ["check_broker", "check_cameras", "check_litert"]

_OURS: Final = "mnv2-edge ("
"""How `users_of` names a process of ours."""
_RUN_ENGINE: Final = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import EnginesError
try:
    engine = read_engine(Path(sys.argv[1]))
    backend = engine.format.open(engine.path, engine.format.options())
    backend.infer(backend.allocate_input())
    print(json.dumps(asdict(backend.report())))
except EnginesError as exc:
    sys.exit(str(exc))
"""


def check_litert(machine: Machine) -> Finding:
    """Run the demo network and see whether XNNPACK takes it whole: what is built for it then runs fast too."""
    if not machine.engine.is_file():
        return Finding("fail", f"{machine.engine} is missing", "pip install --force-reinstall --no-deps mnv2-edge")
    probe = machine.run_python(_RUN_ENGINE, str(machine.engine))
    if probe.trouble:
        return Finding(
            "fail", f"LiteRT does not run the demo network: {probe.trouble}", "pip install --upgrade ai-edge-litert"
        )
    report = json.loads(probe.json_line)
    if not report["accelerated"]:
        left = ", ".join(report["fallback_operators"]) or "all operators"
        why = f"{report['runtime']} runs {left} without acceleration; {report['hint']}".rstrip("; ")
        return Finding("warn", why, "pip install --upgrade ai-edge-litert")
    return Finding("ok", f"{report['runtime']} with XNNPACK ({report['device']})")


def check_cameras(machine: Machine) -> Finding:
    """Find out which cameras this user can open, and who has them open already."""
    cameras = machine.list_cameras()
    usable = [camera for camera in cameras if camera.usable]
    if not usable:
        ribbon = next((camera for camera in cameras if camera.camera), None)
        why = f"no camera on /dev/videoN: {ribbon.hidden}" if ribbon else "no camera; files and the demo work without"
        return Finding("warn", why, "mnv2-edge cameras --all" if cameras else "")
    closed = [camera for camera in usable if not machine.may_open(camera.node.path)]
    missing = [str(camera.node.path) for camera in closed if not camera.node.path.exists()]
    if missing:
        why = f"the kernel has {', '.join(missing)}, and /dev does not: a container sees only what it is given"
        return Finding("fail", why, " ".join(["docker run", *(f"--device {path}" for path in missing), "..."]))
    if closed:
        paths = ", ".join(str(camera.node.path) for camera in closed)
        return Finding(
            "fail", f"this user may not open {paths}; after the command, log in again", "sudo usermod -aG video $USER"
        )
    return combine([_look_for_users(camera, machine) for camera in usable])


def _look_for_users(camera: Camera, machine: Machine) -> Finding:
    """Warn of a camera that somebody else has; that our own service has it is as it should be."""
    users = users_of(camera.node.path, machine.root / "proc")
    name = f"{camera.camera}: {camera.node.name} ({camera.node.path})"
    strangers = [user for user in users if not user.startswith(_OURS)]
    if strangers:
        return Finding("warn", f"{name} is in use by {', '.join(strangers)}", f"sudo fuser -v {camera.node.path}")
    return Finding("ok", f"{name}, in use by {', '.join(users)}" if users else name)


def check_broker(machine: Machine) -> Finding:
    """Log in to every broker that a configuration or the command line names, and look at the certificate it shows."""
    if not machine.brokers:
        return Finding("ok", "none is configured; --mqtt URI or --config FILE tries one")
    groups: dict[tuple[object, ...], list[BrokerLogin]] = {}
    for login in machine.brokers:
        groups.setdefault((login.broker, login.password, login.unknown), []).append(login)
    return combine([_try(machine, logins) for logins in groups.values()])


def _try(machine: Machine, logins: Sequence[BrokerLogin]) -> Finding:
    """Log in once for all instances that do so in the same way."""
    login = logins[0]
    instances = ", ".join(one.instance for one in logins if one.instance)
    name = f"{login.broker} ({instances})" if instances else str(login.broker)
    if login.wrong:
        return Finding("fail", f"{name}: {login.unknown}")
    trouble = machine.log_in(login)
    if trouble is None:
        return assess_shown_certificate(machine, login) or Finding("ok", f"{name} lets us in")
    if login.unknown:
        return Finding("warn", f"{name} cannot be tried, since {login.unknown}: {trouble.why}", "sudo mnv2-edge doctor")
    return Finding("fail", f"{name}: {trouble.why}", trouble.mend)
