"""Look whether what a configuration names can be used here, before it is installed as a service."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from mnv2_edge.config.model import Config
from mnv2_edge.errors import LibraryMissingError

__all__ = ["require_libraries"]

_RTSP: Final = ("rtsp://", "rtsps://")
_GSTREAMER: Final = (
    "sudo apt install python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good gstreamer1.0-libav"
)


def require_libraries(config: Config, has: Callable[[str], bool] = lambda name: find_spec(name) is not None) -> None:
    """Raise LibraryMissingError, with the command, for a camera that nothing here can read.

    An installation has PyAV where there are wheels of it, and sees the system's GStreamer; it has no pip. `has` tells
    whether a module is there.
    """
    needed = any(camera.uri.lower().startswith(_RTSP) for camera in config.cameras)
    if needed and not has("av") and not has("gi"):
        raise LibraryMissingError(f"an RTSP camera needs PyAV or GStreamer, and neither is here: `{_GSTREAMER}`")
