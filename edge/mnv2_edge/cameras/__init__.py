"""The cameras of this machine, and which of its many video nodes are not cameras.

A Raspberry Pi 5 without any camera shows 17 video nodes: codecs, the parts of its image processor, statistics. None
of them gives a picture, so none of them is offered or counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnv2_edge.cameras.v4l2_probe import NodeAbilities, probe_node
from mnv2_edge.cameras.video_nodes import NodeKind, VideoNode, classify_node, read_nodes

__all__ = ["Camera", "list_cameras", "usable_cameras"]


@dataclass(frozen=True, slots=True)
class Camera:
    """One video node of this machine."""

    camera: str
    """What to type for `--camera`: a number, or `picamera:N` and the like; empty when it is not a camera at all."""
    node: VideoNode
    hidden: str
    """Why it cannot be opened as /dev/videoN; empty when it can."""
    formats: tuple[str, ...]
    """For example `MJPG 1920x1080 1280x720`; empty when the node could not be asked."""

    @property
    def usable(self) -> bool:
        """Return True when frames can be read from its node."""
        return not self.hidden


def list_cameras(
    root: Path = Path("/"), probe: Callable[[Path], NodeAbilities | None] = probe_node
) -> tuple[Camera, ...]:
    """Return every video node in the order of its number; usable ones are numbered from 0 among themselves.

    `root` holds `sys` and `dev`. Nothing is streamed; a node that may not be opened is classified by its names alone.
    """
    cameras: list[Camera] = []
    ribbons: dict[str, list[str]] = {}
    usable = 0
    for node in read_nodes(root):
        abilities = probe(node.path)
        verdict = classify_node(node, abilities)
        camera, hidden = "", verdict.words
        if verdict is NodeKind.USABLE:
            camera, hidden = str(usable), ""
            usable += 1
        elif verdict.scheme:
            # All nodes of one receiver belong to one ribbon camera; on a Jetson each node is a camera.
            receiver = node.device if verdict is NodeKind.RIBBON else str(node.path)
            known = ribbons.setdefault(verdict.scheme, [])
            if receiver not in known:
                known.append(receiver)
            camera = f"{verdict.scheme}:{known.index(receiver)}"
            hidden = f"{verdict.words}: use --camera {camera}"
        cameras.append(Camera(camera, node, hidden, abilities.formats if abilities else ()))
    return tuple(cameras)


def usable_cameras(cameras: tuple[Camera, ...]) -> tuple[Camera, ...]:
    """Return those that can be opened as /dev/videoN: the number of each is its place."""
    return tuple(camera for camera in cameras if camera.usable)
