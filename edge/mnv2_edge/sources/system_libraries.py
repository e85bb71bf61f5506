"""Libraries that come from the system and not from pip, and the reason when one cannot be imported."""

import importlib
import os
from types import ModuleType

from mnv2_edge.errors import LibraryMissingError

__all__ = ["import_av", "import_gstreamer", "import_picamera2"]

_VENV = "a virtual environment sees it only when made with `python3 -m venv --system-site-packages`"


def import_picamera2() -> ModuleType:
    """Return the module picamera2. Raises LibraryMissingError."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    try:
        module = importlib.import_module("picamera2")
    except ImportError as exc:
        raise LibraryMissingError(
            f"picamera2 cannot be imported ({exc}): "
            f"`sudo apt install -y python3-picamera2 --no-install-recommends`; {_VENV}"
        ) from exc
    except ValueError as exc:  # "numpy.dtype size changed, may indicate binary incompatibility"
        raise LibraryMissingError(
            f"picamera2 cannot be imported ({exc}): apt built it for another numpy than the one in this environment; "
            "`pip install -c deploy/constraints-numpy1.txt .` takes the one that fits"
        ) from exc
    if not hasattr(module.Picamera2, "cancel_all_and_flush"):
        raise LibraryMissingError(
            "this picamera2 is too old to be closed when a camera hangs: `sudo apt update && sudo apt full-upgrade`"
        )
    return module


def import_av() -> ModuleType:
    """Return the module av (PyAV). Raises LibraryMissingError."""
    try:
        module = importlib.import_module("av")
        importlib.import_module("av.error")
    except ImportError as exc:
        raise LibraryMissingError(
            f"an RTSP camera needs PyAV or GStreamer, and neither can be imported ({exc}): "
            "`pip install 'mnv2-edge[rtsp]'`"
        ) from exc
    return module


def import_gstreamer() -> ModuleType:
    """Return the module `gi.repository.Gst`, initialised. Raises LibraryMissingError."""
    try:
        gi = importlib.import_module("gi")
        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        gi.require_version("GstVideo", "1.0")
        gst = importlib.import_module("gi.repository.Gst")
        importlib.import_module("gi.repository.GstApp")
        importlib.import_module("gi.repository.GstVideo")
    except (ImportError, ValueError) as exc:  # ValueError: PyGObject without GStreamer's typelibs
        raise LibraryMissingError(
            f"GStreamer cannot be used from Python ({exc}): `sudo apt install -y python3-gi "
            f"gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good`; {_VENV}"
        ) from exc
    if not gst.is_initialized():
        gst.init(None)
    return gst
