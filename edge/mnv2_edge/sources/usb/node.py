"""A camera's node by number or path, and the reason when it cannot be opened."""

import errno
import os
from pathlib import Path

from mnv2_edge.cameras import Camera, usable_cameras
from mnv2_edge.cameras.video_nodes import users_of
from mnv2_edge.errors import SourceError, SourceNotFoundError, SourcePermissionError, UsageError

__all__ = ["check_access", "describe_users", "find_node", "find_usb"]


def find_node(target: str, cameras: tuple[Camera, ...]) -> Path:
    """Return the node that a number or a path stands for.

    Raises SourceNotFoundError when there is none, and UsageError when the node gives no finished pictures.
    """
    usable = usable_cameras(cameras)
    if target.isdecimal():
        if int(target) < len(usable):
            return usable[int(target)].node.path
        raise SourceNotFoundError(f"there is no camera {target}: {_what_there_is(cameras)}")
    path = Path(target)
    if not path.exists():
        raise SourceNotFoundError(f"there is no {target}: {_what_there_is(cameras)}")
    found = next((camera for camera in cameras if camera.node.path == path.resolve()), None)
    if found is not None and not found.usable:
        raise UsageError(f"{target} ({found.node.name}) gives no pictures: {found.hidden}; {_what_there_is(cameras)}")
    return path


def find_usb(name: str, cameras: tuple[Camera, ...], links: Path = Path("/dev/v4l")) -> Path:
    """Return the node of a USB camera by what stays the same: its link in by-id or by-path, or its serial number.

    Raises SourceNotFoundError when there is none, and UsageError when several have that serial number.
    """
    for folder in ("by-id", "by-path"):
        link = links / folder / name
        if name and "/" not in name and link.exists():
            return find_node(str(link), cameras)
    same = [camera for camera in usable_cameras(cameras) if name and camera.node.serial == name]
    if len(same) > 1:
        paths = ", ".join(f"usb:{camera.node.stable.name}" for camera in same if camera.node.stable)
        raise UsageError(f"{len(same)} cameras have the serial number {name}: name one by its place, {paths}")
    if not same:
        raise SourceNotFoundError(f"there is no usb:{name}: {_what_there_is(cameras)}")
    return same[0].node.path


def describe_users(node: Path) -> str:
    """Return which programs have the node open, or how to find out."""
    users = users_of(node)
    return f"{', '.join(users)} has it open" if users else f"`sudo fuser -v {node}` tells which"


def check_access(node: Path) -> None:
    """Open and close the node, for an error that says more than OpenCV's silence."""
    try:
        os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError as exc:
        raise SourcePermissionError(
            f"{node} may not be opened by this user: join the group video with `sudo usermod -aG video $USER`, "
            "then log in again"
        ) from exc
    except OSError as exc:
        if exc.errno == errno.EBUSY:
            raise SourceError(f"{node} is in use by another program: {describe_users(node)}") from exc
        raise SourceNotFoundError(
            f"{node} cannot be opened: {exc.strerror}; `mnv2-edge cameras` lists the cameras"
        ) from exc


def _what_there_is(cameras: tuple[Camera, ...]) -> str:
    """Return in a line what `mnv2-edge cameras` would show."""
    usable = [f"{camera.camera} is {camera.node.name} ({camera.node.path})" for camera in usable_cameras(cameras)]
    ribbons = list(dict.fromkeys(camera.hidden for camera in cameras if camera.camera and not camera.usable))
    there = "; ".join((*usable, *ribbons)) or "no camera is connected; `--camera demo` needs none"
    return f"{there} (`mnv2-edge cameras` lists them)"
