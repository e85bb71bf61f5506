"""Ribbon cameras: a Raspberry Pi's as libcamera lists them, a Jetson's as the kernel describes them.

A Jetson's are cameras of Argus, which cannot be asked without opening one. What is known is that the kernel has found
the sensor; whether Argus counts in the same order was never seen here.
"""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from mnv2_edge.cameras import Camera
from mnv2_engines.child_python import module_command

__all__ = ["RibbonCamera", "RibbonCameras", "ask_libcamera", "list_ribbons"]

_TIMEOUT_S: Final = 20.0  # a cold Pi Zero 2 W takes a while to import picamera2
_SENSOR: Final = re.compile(r"vi-output, *([^ ]+)")
"""As NVIDIA's driver names its nodes: `vi-output, imx219 9-0010`."""


@dataclass(frozen=True, slots=True)
class RibbonCamera:
    """One camera on a ribbon cable."""

    camera: str
    """What to type for `--camera`."""
    model: str
    """Of the sensor, for example `imx708`."""
    id: str
    """libcamera's, which is the connector and so stays the same; or the Jetson's node."""
    sizes: tuple[str, ...]
    """Largest first; empty when they are not known."""


@dataclass(frozen=True, slots=True)
class RibbonCameras:
    """All ribbon cameras, and why some may be missing."""

    cameras: tuple[RibbonCamera, ...]
    trouble: str
    """Why libcamera could not be asked, with what to do; empty when it was, or when nothing speaks for it."""


class _Listed(msgspec.Struct):
    number: int
    model: str
    id: str
    sizes: tuple[str, ...]


class _Answer(msgspec.Struct):
    cameras: tuple[_Listed, ...]
    trouble: str


def list_ribbons(cameras: Sequence[Camera], ask: Callable[[], RibbonCameras] | None = None) -> RibbonCameras:
    """Return the ribbon cameras; `cameras` are the video nodes, which tell whether there may be some.

    `ask` asks libcamera, by default in a process that takes a second or two; it is left out where neither picamera2 nor
    a receiver is there.
    """
    jetson = tuple(_of_jetson(camera) for camera in cameras if camera.camera.startswith("csi:"))
    has_receiver = any(camera.camera.startswith("picamera:") for camera in cameras)
    if not has_receiver and importlib.util.find_spec("picamera2") is None:
        return RibbonCameras(jetson, "")
    found = (ask or ask_libcamera)()
    return RibbonCameras((*found.cameras, *jetson), found.trouble)


def ask_libcamera(
    timeout_s: float = _TIMEOUT_S, module: str = "mnv2_edge.sources.ribbon.libcamera_list"
) -> RibbonCameras:
    """Run the list in a process of its own, where libcamera may hang, crash and write what it likes."""
    try:
        done = subprocess.run(
            module_command(module),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _unasked(f"no answer within {timeout_s:g} s; `rpicam-hello --list-cameras` shows whether it hangs")
    except OSError as exc:
        return _unasked(f"{sys.executable} cannot be started ({exc.strerror})")
    try:
        answer = msgspec.json.decode(done.stdout.strip().rpartition(b"\n")[2], type=_Answer)
    except msgspec.DecodeError:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return _unasked(last or f"it ended with status {done.returncode}")
    found = tuple(
        RibbonCamera(f"picamera:{camera.number}", camera.model, camera.id, camera.sizes)
        for camera in answer.cameras
        if "/usb" not in camera.id  # which is a video node already
    )
    return RibbonCameras(found, answer.trouble)


def _unasked(why: str) -> RibbonCameras:
    return RibbonCameras((), f"libcamera could not be asked for its cameras: {why}")


def _of_jetson(camera: Camera) -> RibbonCamera:
    sensor = _SENSOR.match(camera.node.name)
    model = sensor[1] if sensor else camera.node.name
    return RibbonCamera(camera.camera, model, str(camera.node.path), camera.formats)
