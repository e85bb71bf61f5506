"""Abilities of a video node, by three ioctls that need no library and start no stream.

Structures and numbers are those of <linux/videodev2.h>; they are the same on every architecture that we run on.
"""

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

__all__ = ["Ioctl", "NodeAbilities", "ask_abilities", "probe_node"]

Ioctl: TypeAlias = Callable[[int, bytearray], None]
"""Run one request on the opened node, in place; raises OSError (EINVAL behind the last entry of a list)."""

_QUERYCAP: Final = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_ENUM_FMT: Final = 0xC0405602  # _IOWR('V', 2, struct v4l2_fmtdesc)
_ENUM_FRAMESIZES: Final = 0xC02C564A  # _IOWR('V', 74, struct v4l2_frmsizeenum)
_CAPABILITY: Final = struct.Struct("=16s32s32sIII12x")
_FORMAT: Final = struct.Struct("=III32sI16x")
_FRAME_SIZE: Final = struct.Struct("=III24s8x")

_CAN_CAPTURE: Final = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, ..._MPLANE
_CAN_TRANSFORM: Final = 0x8000 | 0x4000  # V4L2_CAP_VIDEO_M2M, ..._MPLANE
_CAN_METADATA: Final = 0x0080_0000  # V4L2_CAP_META_CAPTURE
_HAS_DEVICE_CAPS: Final = 0x8000_0000
_CAPTURE_TYPES: Final = ((0x1, 1), (0x1000, 9))  # capability, V4L2_BUF_TYPE_VIDEO_CAPTURE(_MPLANE)
_DISCRETE: Final = 1
_MOST: Final = 64  # of formats, and of sizes of one: a driver that never says EINVAL must not hang us


@dataclass(frozen=True, slots=True)
class NodeAbilities:
    """Abilities that a node reports."""

    captures: bool
    """It gives pictures."""
    transforms: bool
    """It takes pictures and gives them back changed: a codec or a scaler."""
    metadata: bool
    """It gives data about pictures."""
    formats: tuple[str, ...] = ()
    """Per pixel format its name and sizes, largest first: `MJPG 1920x1080 640x480`."""


def probe_node(path: Path) -> NodeAbilities | None:
    """Open a node, ask it and close it again; None when it may not be opened or is not a video node."""
    try:
        node = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None

    def ioctl(request: int, argument: bytearray) -> None:
        fcntl.ioctl(node, request, argument, True)  # noqa: FBT003 - mutate_flag is positional

    try:
        return ask_abilities(ioctl)
    except OSError:
        return None
    finally:
        os.close(node)


def ask_abilities(ioctl: Ioctl) -> NodeAbilities:
    """Ask an opened node. Raises OSError when it does not know the questions."""
    argument = bytearray(_CAPABILITY.size)
    ioctl(_QUERYCAP, argument)
    _, _, _, _, device_wide, of_node = _CAPABILITY.unpack(argument)
    # A device's capabilities are those of all its nodes together; the node's own tell metadata from pictures.
    capabilities = of_node if device_wide & _HAS_DEVICE_CAPS else device_wide
    formats = [
        " ".join((name, *sizes))
        for capability, buffer_type in _CAPTURE_TYPES
        if capabilities & capability
        for name, sizes in _formats(ioctl, buffer_type)
    ]
    return NodeAbilities(
        captures=bool(capabilities & _CAN_CAPTURE),
        transforms=bool(capabilities & _CAN_TRANSFORM),
        metadata=bool(capabilities & _CAN_METADATA),
        formats=tuple(dict.fromkeys(formats)),
    )


def _formats(ioctl: Ioctl, buffer_type: int) -> Iterator[tuple[str, list[str]]]:
    for index in range(_MOST):
        argument = bytearray(_FORMAT.pack(index, buffer_type, 0, b"", 0))
        try:
            ioctl(_ENUM_FMT, argument)
        except OSError:
            return
        pixel_format = _FORMAT.unpack(argument)[4]
        yield _fourcc(pixel_format), _sizes(ioctl, pixel_format)


def _sizes(ioctl: Ioctl, pixel_format: int) -> list[str]:
    """Return the discrete sizes, largest first; a range is written as its smallest and its largest."""
    sizes: set[tuple[int, int]] = set()
    for index in range(_MOST):
        argument = bytearray(_FRAME_SIZE.pack(index, pixel_format, 0, b""))
        try:
            ioctl(_ENUM_FRAMESIZES, argument)
        except OSError:
            break
        _, _, kind, union = _FRAME_SIZE.unpack(argument)
        if kind != _DISCRETE:
            min_w, max_w, _, min_h, max_h, _ = struct.unpack("=6I", union)
            return [f"{min_w}x{min_h}-{max_w}x{max_h}"]
        sizes.add(struct.unpack_from("=2I", union))
    return [f"{width}x{height}" for width, height in sorted(sizes, key=lambda size: size[0] * size[1], reverse=True)]


def _fourcc(pixel_format: int) -> str:
    """Return the four letters; the top bit, which marks big-endian variants, is not part of them."""
    return struct.pack("=I", pixel_format & 0x7FFF_FFFF).decode("ascii", "replace").rstrip()
