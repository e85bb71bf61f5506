"""Read what the kernel says about its video nodes, without opening them."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["VideoNode", "read_nodes"]

_NODE = re.compile(r"video(\d+)")
_STABLE_FOLDERS = ("by-id", "by-path")


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
    """`vendor:product`, as lsusb prints it; empty when it is no USB device."""
    serial: str = ""
    """The USB device's serial number; many have none."""
    stable: Path | None = None
    """A link of udev that names the same camera after a reboot: by-id, else by-path."""


def read_nodes(root: Path = Path("/")) -> tuple[VideoNode, ...]:
    """Return every video node, by number. `root` holds `sys` and `dev`. Nothing when there are none."""
    folder = root / "sys/class/video4linux"
    stable = _stable_links(root / "dev/v4l")
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        match = _NODE.fullmatch(entry.name)
        if match:
            found.append((int(match[1]), _read_node(entry, root, stable.get(entry.name))))
    return tuple(node for _, node in sorted(found, key=lambda numbered: numbered[0]))


def _read_node(entry: Path, root: Path, stable: Path | None) -> VideoNode:
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
        stable=stable,
    )


def _stable_links(folder: Path) -> dict[str, Path]:
    """Map `videoN` to udev's best link to it. Links that point elsewhere or nowhere do no harm."""
    links: dict[str, Path] = {}
    for kind in _STABLE_FOLDERS:
        for link in sorted((folder / kind).iterdir()) if (folder / kind).is_dir() else ():
            if link.is_symlink():
                links.setdefault(link.readlink().name, link)
    return links


def _read(path: Path) -> str:
    """Return a sysfs attribute; empty when it is missing, or unreadable because the device is going."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
