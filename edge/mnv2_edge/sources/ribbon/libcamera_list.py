"""libcamera's cameras as picamera2 numbers them: `python -m mnv2_edge.sources.ribbon.libcamera_list` prints JSON.

A program of its own, because libcamera writes to stderr as it likes and may hang on a driver that does; see
`mnv2_edge.cameras.ribbon`. Nothing is streamed, and no camera is taken from its user.
"""

import contextlib
import json
import sys
from typing import Any

from mnv2_edge.errors import LibraryMissingError
from mnv2_edge.sources.system_libraries import import_picamera2

__all__ = ["list_libcamera", "main"]


def main() -> None:
    """Print ``{"cameras": [...], "trouble": ""}`` as the last line of stdout."""
    cameras, trouble = [], ""
    try:
        cameras = list_libcamera()
    except (LibraryMissingError, RuntimeError, OSError) as exc:
        trouble = str(exc)
    sys.stdout.write(f"\n{json.dumps({'cameras': cameras, 'trouble': trouble})}\n")


def list_libcamera() -> list[dict[str, object]]:
    """Return number, model, id and sizes (largest first) of each camera, in the order of `picamera:N`.

    Raises LibraryMissingError where picamera2 cannot be imported.
    """
    module = import_picamera2()
    found: list[dict[str, object]] = []
    for number, info in enumerate(module.Picamera2.global_camera_info()):
        identity = str(info.get("Id", ""))
        found.append(
            {"number": number, "model": str(info.get("Model", "?")), "id": identity, "sizes": _sizes(identity)}
        )
    return found


def _sizes(identity: str) -> list[str]:
    """Return the sensor's own sizes, else those that a preview may have; empty where libcamera does not say."""
    import libcamera

    camera: Any = libcamera.CameraManager.singleton().get(identity)
    for role in (libcamera.StreamRole.Raw, libcamera.StreamRole.Viewfinder):
        with contextlib.suppress(RuntimeError, ValueError, IndexError, TypeError, AttributeError):
            stream = camera.generate_configuration([role]).at(0)
            sizes = {(size.width, size.height) for size in stream.formats.sizes(stream.pixel_format)}
            if sizes:
                return [f"{width}x{height}" for width, height in sorted(sizes, reverse=True)]
    return []


if __name__ == "__main__":
    main()
