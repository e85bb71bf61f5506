"""What the kernel says about its video nodes, which of them are cameras, and which processes have one open."""

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Final

from mnv2_edge.cameras.v4l2_probe import NodeAbilities
from mnv2_edge.host.files import read_text
from mnv2_engines.printable import printable

__all__ = ["NodeKind", "VideoNode", "classify_node", "read_nodes", "users_of"]


def users_of(node: Path, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return `NAME (PID)` of every other process that has the node open; only root sees those of other users."""
    target = os.path.realpath(node)
    found = []
    for folder in proc.iterdir() if proc.is_dir() else ():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            opened = any(str(link.readlink()) == target for link in (folder / "fd").iterdir())
            name = read_text(folder / "comm") if opened else ""
        except OSError:  # it has ended, or is another user's
            continue
        if opened:
            found.append(f"{name} ({folder.name})")
    return tuple(sorted(found))


_NODE = re.compile(r"video([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class VideoNode:
    """One /dev/videoN as sysfs describes it."""

    path: Path
    """Its node; changes when cameras are plugged in another order."""
    name: str
    """What the driver calls it, for a USB camera its product name."""
    index: int
    """Its place among the nodes of the same device; a USB camera's pictures come from 0."""
    driver: str
    """Empty for a virtual device."""
    device: str
    """Where the device hangs in sysfs; the same for all nodes of one device."""
    usb_id: str = ""
    """`vendor:product`, as lsusb prints it; empty when it is not a USB device."""
    serial: str = ""
    """The USB device's serial number; many have none."""
    stable: Path | None = None
    """A link of udev that names the same camera after a reboot: by-id, else by-path.

    Of cameras that nothing tells apart it is by-path: udev has one name by-id for all of them, and gives it to any.
    """


def read_nodes(root: Path = Path("/")) -> tuple[VideoNode, ...]:
    """Return every video node, by number. `root` holds `sys` and `dev`. Nothing when there are none."""
    found = []
    for entry in _entries(root / "sys/class/video4linux"):
        match = _NODE.fullmatch(entry.name)
        if match:
            found.append((int(match[1]), _read_node(entry, root)))
    nodes = [node for _, node in sorted(found, key=lambda numbered: numbered[0])]
    by_id, by_path = (_links(root / "dev/v4l" / kind) for kind in ("by-id", "by-path"))
    alike = Counter(_identity(node) for node in nodes)
    return tuple(
        replace(
            node,
            stable=(by_path.get(node.path.name) if node.usb_id and alike[_identity(node)] > 1 else None)
            or by_id.get(node.path.name)
            or by_path.get(node.path.name),
        )
        for node in nodes
    )


def _read_node(entry: Path, root: Path) -> VideoNode:
    link = entry / "device"
    device = link.resolve() if link.exists() else entry.resolve()
    driver = device / "driver"
    usb = next((folder for folder in (device, *device.parents) if (folder / "idVendor").is_file()), None)
    index = _read(entry / "index")
    return VideoNode(
        path=root / "dev" / entry.name,
        name=_read(entry / "name"),
        index=int(index) if index.isdecimal() else 0,
        driver=driver.resolve().name if driver.exists() else "",
        device=str(device),
        usb_id=f"{_read(usb / 'idVendor')}:{_read(usb / 'idProduct')}" if usb else "",
        serial=_read(usb / "serial") if usb else "",
    )


def _identity(node: VideoNode) -> tuple[str, str, int]:
    """Return what udev makes a name by-id of."""
    return node.usb_id, node.serial, node.index


def _links(folder: Path) -> dict[str, Path]:
    """Map `videoN` to udev's first link to it. Links that point elsewhere or nowhere do no harm."""
    links: dict[str, Path] = {}
    for link in _entries(folder):
        with suppress(OSError):  # it is not a link, or is going
            links.setdefault(link.readlink().name, link)
    return links


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, which udev may remove at any time."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    """Return a sysfs attribute; empty when it is missing, or unreadable because the device is going.

    The maker of a USB device chooses its names: nothing in them reaches a terminal or a log but text.
    """
    return printable(read_text(path))


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
