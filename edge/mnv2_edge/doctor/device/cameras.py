"""Checks of what ribbon cameras need beyond this package: libraries of the system, and a daemon."""

from contextlib import suppress
from typing import Final

from mnv2_edge.doctor import Finding, Machine, combine
from mnv2_edge.doctor.device.system import check_venv
from mnv2_edge.errors import AccessError
from mnv2_edge.service.paths import ServicePaths

__all__ = ["check_ribbon_cameras"]

_OPEN: Final = """
import sys
from mnv2_edge.errors import EdgeError
from mnv2_edge.sources.open import open_source
try:
    open_source(sys.argv[1], camera_id="camera").close()
except EdgeError as exc:
    sys.exit(str(exc))
print("opened")
"""


def check_ribbon_cameras(machine: Machine) -> Finding:
    """Open every ribbon camera for a moment, in a process of its own: a stuck daemon or driver hangs there.

    Only so is it known whether picamera2 fits this environment's numpy, and whether Argus answers.
    """
    uris = list(dict.fromkeys(camera.camera for camera in machine.list_cameras() if ":" in camera.camera))
    return combine([_look(machine, uri) for uri in uris]) if uris else Finding("ok", "there is none")


def _look(machine: Machine, uri: str) -> Finding:
    trouble = machine.run_python(_OPEN, uri).trouble
    if not trouble:
        return Finding("ok", f"{uri} gives pictures")
    if "another program use" in trouble and (owner := _running_instance(machine, uri)):
        return Finding("ok", f"{uri} is in use by the service's {owner}")
    return Finding("fail", f"{uri}: {trouble}", _mend(machine, uri, trouble))


def _running_instance(machine: Machine, uri: str) -> str:
    """Return an instance of the service that runs and has the camera, by its configuration; others are not named.

    One whose configuration is not known here may have it as well.
    """
    known = {configured.instance: configured.config for configured in machine.configurations}
    for name in ServicePaths(machine.root).instances():
        config = known.get(name)
        if config is not None and uri not in {camera.uri.partition("?")[0] for camera in config.cameras}:
            continue
        with suppress(AccessError):  # there is no systemd
            if machine.read_unit(name).state in ("active", "reloading"):
                return name
    return ""


def _mend(machine: Machine, uri: str, trouble: str) -> str:
    """Return the command for what is most often behind it."""
    if "numpy" in trouble:
        return "pip install -c deploy/constraints-numpy1.txt ."
    if "picamera2 cannot be imported" in trouble:
        venv = check_venv(machine)  # which knows whether it is there, and not seen
        if venv.mend:
            return venv.mend
        return "sudo apt install -y python3-picamera2 --no-install-recommends"
    if "GStreamer cannot be used" in trouble:
        return "sudo apt install -y python3-gi gir1.2-gst-plugins-base-1.0"
    if "another program use" in trouble and uri.startswith("picamera:"):
        return "sudo fuser -v /dev/media* /dev/video*"
    return "sudo systemctl restart nvargus-daemon" if uri.startswith("csi:") else "rpicam-hello --list-cameras"
