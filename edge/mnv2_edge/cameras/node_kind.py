"""The rules that tell whether a video node is a camera."""

from enum import Enum
from typing import Final

from mnv2_edge.cameras.v4l2_probe import NodeAbilities
from mnv2_edge.cameras.video_nodes import VideoNode

__all__ = ["NodeKind", "classify_node"]


class NodeKind(Enum):
    """What a node is, in words for the user."""

    USABLE = ("camera", "")
    RIBBON = ("ribbon camera", "picamera")
    JETSON_RIBBON = ("ribbon camera", "csi")
    ISP = ("a part of the image processor", "")
    CODEC = ("a video codec", "")
    METADATA = ("metadata about the pictures of another node", "")
    NO_CAPTURE = ("it takes pictures in and gives none", "")

    @property
    def words(self) -> str:
        """Return what it is."""
        return self.value[0]

    @property
    def scheme(self) -> str:
        """Return the source that reads such a camera in a way of its own; empty for the others."""
        return self.value[1]


# Start of the node's name or of its driver's. Sources: Raspberry Pi's kernel (drivers/media/platform/raspberrypi,
# bcm2835-unicam, drivers/staging/vc04_services), NVIDIA's (drivers/media/platform/tegra/camera).
_KNOWN: Final = (
    ("unicam", NodeKind.RIBBON),  # Pi 0 to 4: the receiver gives the sensor's raw mosaic
    ("rp1-cfe", NodeKind.RIBBON),  # Pi 5
    ("vi-output", NodeKind.JETSON_RIBBON),  # Jetson, all of them
    ("tegra-video", NodeKind.JETSON_RIBBON),
    ("tegra-camrtc", NodeKind.JETSON_RIBBON),
    ("bcm2835-isp", NodeKind.ISP),
    ("pispbe", NodeKind.ISP),
    ("bcm2835-codec", NodeKind.CODEC),
    ("rpivid", NodeKind.CODEC),
    ("rpi-hevc-dec", NodeKind.CODEC),  # what rpivid is called since Linux 6.12
)


def classify_node(node: VideoNode, abilities: NodeAbilities | None) -> NodeKind:
    """Return what a node is: by the driver first, then by what it says it can, else by its place in its device.

    `abilities` is None when the node could not be opened. uvcvideo makes a node for metadata beside each that gives
    pictures, so without abilities only the first one of a device is taken for a camera.
    """
    for start, verdict in _KNOWN:
        if node.name.startswith(start) or node.driver.startswith(start):
            return verdict
    if abilities is None:
        return NodeKind.METADATA if node.driver == "uvcvideo" and node.index != 0 else NodeKind.USABLE
    if abilities.transforms:
        return NodeKind.CODEC
    if abilities.captures:
        return NodeKind.USABLE
    return NodeKind.METADATA if abilities.metadata else NodeKind.NO_CAPTURE
