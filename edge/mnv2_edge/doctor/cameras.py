"""Look at what ribbon cameras need beyond this package: libraries of the system, and a daemon."""

from typing import Final

from mnv2_edge.doctor import Finding, Machine
from mnv2_edge.service.places import Places

__all__ = ["check_ribbon_cameras"]

_OPEN: Final = """
import sys
from mnv2_edge.errors import EdgeError
from mnv2_edge.sources.opening import open_source
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
    if not uris:
        return Finding("ok", "there is none")
    for uri in uris:
        trouble = machine.run_python(_OPEN, uri).trouble
        if "another program use" in trouble and (owner := _running_instance(machine)):
            return Finding("ok", f"{uri} is in use; {owner} of the service runs, which may be it")
        if trouble:
            return Finding("fail", f"{uri}: {trouble}", _mend(uri, trouble))
    return Finding("ok", f"{', '.join(uris)} {'give' if len(uris) > 1 else 'gives'} pictures")


def _running_instance(machine: Machine) -> str:
    """Return an instance of the service that runs, and may have a ribbon camera open: nobody is told who has."""
    instances = Places(machine.root).instances()
    return next((name for name in instances if machine.read_unit(name).state in ("active", "reloading")), "")


def _mend(uri: str, trouble: str) -> str:
    """Return the command for what is most often behind it."""
    if "numpy" in trouble:
        return "pip install -c deploy/constraints-numpy1.txt ."
    if "picamera2 cannot be imported" in trouble:
        return "sudo apt install -y python3-picamera2 --no-install-recommends"
    if "GStreamer cannot be used" in trouble:
        return "sudo apt install -y python3-gi gir1.2-gst-plugins-base-1.0"
    if "another program use" in trouble and uri.startswith("picamera:"):
        return "sudo fuser -v /dev/media* /dev/video*"
    return "sudo systemctl restart nvargus-daemon" if uri.startswith("csi:") else "rpicam-hello --list-cameras"
