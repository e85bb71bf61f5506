"""Judge whether a video node is a camera."""

from enum import Enum
from typing import Final

from mnv2_edge.cameras.v4l2_probe import NodeAbilities
from mnv2_edge.cameras.video_nodes import VideoNode

__all__ = ["Verdict", "judge"]


class Verdict(Enum):
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
    ("unicam", Verdict.RIBBON),  # Pi 0 to 4: the receiver gives the sensor's raw mosaic
    ("rp1-cfe", Verdict.RIBBON),  # Pi 5
    ("vi-output", Verdict.JETSON_RIBBON),  # Jetson, all of them
    ("tegra-video", Verdict.JETSON_RIBBON),
    ("tegra-camrtc", Verdict.JETSON_RIBBON),
    ("bcm2835-isp", Verdict.ISP),
    ("pispbe", Verdict.ISP),
    ("bcm2835-codec", Verdict.CODEC),
    ("rpivid", Verdict.CODEC),
    ("rpi-hevc-dec", Verdict.CODEC),  # what rpivid is called since Linux 6.12
)


def judge(node: VideoNode, abilities: NodeAbilities | None) -> Verdict:
    """Say what a node is: by the driver first, then by what it says it can, else by its place in its device.

    `abilities` is None when the node could not be opened. uvcvideo makes a node for metadata beside each that gives
    pictures, so without abilities only the first one of a device is taken for a camera.
    """
    for start, verdict in _KNOWN:
        if node.name.startswith(start) or node.driver.startswith(start):
            return verdict
    if abilities is None:
        return Verdict.METADATA if node.driver == "uvcvideo" and node.index != 0 else Verdict.USABLE
    if abilities.transforms:
        return Verdict.CODEC
    if abilities.captures:
        return Verdict.USABLE
    return Verdict.METADATA if abilities.metadata else Verdict.NO_CAPTURE
