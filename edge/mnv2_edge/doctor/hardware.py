"""Look at what runs networks, and at cameras and brokers."""

import json
from typing import Final

from mnv2_edge.doctor import Finding, Machine

__all__ = ["check_broker", "check_cameras", "check_litert"]

_RUN_ENGINE: Final = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.errors import EnginesError
try:
    backend = LiteRtBackend(Path(sys.argv[1]))
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
    report = json.loads(probe.output.splitlines()[-1])
    if not report["accelerated"]:
        left = ", ".join(report["fallback_operators"]) or "all operators"
        why = f"{report['runtime']} runs {left} without acceleration; {report['hint']}".rstrip("; ")
        return Finding("warn", why, "pip install --upgrade ai-edge-litert")
    return Finding("ok", f"{report['runtime']} with XNNPACK ({report['device']})")


def check_cameras(machine: Machine) -> Finding:
    """Find out which cameras this user can open."""
    cameras = machine.list_cameras()
    usable = [camera for camera in cameras if camera.usable]
    if not usable:
        ribbon = next((camera for camera in cameras if camera.camera), None)
        why = f"no camera on /dev/videoN: {ribbon.hidden}" if ribbon else "no camera; files and the demo work without"
        return Finding("warn", why, "mnv2-edge cameras --all" if cameras else "")
    closed = [camera for camera in usable if not machine.may_open(camera.node.path)]
    if closed:
        paths = ", ".join(str(camera.node.path) for camera in closed)
        return Finding(
            "fail", f"this user may not open {paths}; after the command, log in again", "sudo usermod -aG video $USER"
        )
    return Finding("ok", "; ".join(f"{camera.camera}: {camera.node.name} ({camera.node.path})" for camera in usable))


def check_broker(machine: Machine) -> Finding:
    """Log in to every broker that the configuration or the command line names."""
    if not machine.brokers:
        return Finding("ok", "none is configured; --mqtt URI or --config FILE tries one")
    for login in machine.brokers:
        trouble = machine.log_in(login)
        if trouble is not None:
            return Finding("fail", f"{login.broker}: {trouble.why}", trouble.mend)
    return Finding("ok", ", ".join(f"{login.broker} lets us in" for login in machine.brokers))
