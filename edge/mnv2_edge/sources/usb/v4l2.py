"""A USB camera, or any other that V4L2 gives finished pictures of."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np

from mnv2_edge.cameras import list_cameras
from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import monotonic_stamp
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.close_guard import SharedCapture, VideoReader
from mnv2_edge.sources.uri import read_fps, read_size, refuse_unknown
from mnv2_edge.sources.usb.node import check_access, describe_users, find_node, find_usb
from mnv2_engines.tensors import UInt8Array

__all__ = ["V4l2Request", "V4l2Source", "open_v4l2"]

_log = logging.getLogger(__name__)
_KIND: Final = "a camera"
_DEFAULT_SIZE: Final = (640, 480)
_FORMATS: Final = {"mjpg": "MJPG", "yuyv": "YUYV"}


@dataclass(frozen=True, slots=True)
class V4l2Request:
    """What is asked of a camera; what it grants may differ and is logged."""

    size: tuple[int, int] = _DEFAULT_SIZE
    """Width and height in pixels."""
    fps: float = 30.0
    fourcc: str = "YUYV"

    @classmethod
    def from_query(cls, options: SourceOptions) -> "V4l2Request":
        """Read ``?size=1280x720&fps=30&format=mjpg``.

        The format is MJPG by default where USB 2 has no room for YUYV: above 640x480 or 30 frames/s. Raises UsageError.
        """
        refuse_unknown(_KIND, options.query, {"format", "fps", "size"})
        size = read_size(_KIND, options.query) or _DEFAULT_SIZE
        fps = read_fps(_KIND, options.query) or 30.0
        fits = size[0] * size[1] <= _DEFAULT_SIZE[0] * _DEFAULT_SIZE[1] and fps <= 30.0
        name = options.query.get("format", "yuyv" if fits else "mjpg").lower()
        if name not in _FORMATS:
            raise UsageError(f"camera option format={name!r} is unknown: expected {' or '.join(_FORMATS)}")
        return cls(size, fps, _FORMATS[name])


def open_v4l2(options: SourceOptions) -> "V4l2Source":
    """Open ``/dev/videoN``, a link to one, the N-th usable camera, or ``usb:`` and a stable name or serial number.

    Raises SourceNotFoundError, SourcePermissionError, or SourceError when it gives no picture; UsageError for options
    that make no sense.
    """
    request = V4l2Request.from_query(options)
    if options.pace == "max":
        raise UsageError(f"--pace max has no meaning for the camera {options.uri}: it comes at its own rate")
    scheme, _, name = options.uri.partition(":")
    node = find_usb(name, list_cameras()) if scheme == "usb" else find_node(options.uri, list_cameras())
    check_access(node)
    return V4l2Source(node, request, options.camera_id, _open_capture)


class V4l2Source:
    """Pictures as OpenCV captures them: BGR, the newest, stamped by the driver where it does so.

    It counts as open only once a picture came: after an unplug OpenCV opens what is left of a device and then cannot
    read it. That picture is the first frame.
    """

    def __init__(
        self, node: Path, request: V4l2Request, source_id: str, open_capture: Callable[[Path, V4l2Request], VideoReader]
    ) -> None:
        self._node = node
        self._source_id = source_id
        self._capture = SharedCapture(open_capture(node, request), str(node))
        try:
            self._first: UInt8Array | None = self._read()
        except BaseException:
            self._capture.close()
            raise
        if self._first is None:
            self._capture.close()
            raise SourceError(
                f"{node} opens but gives no picture: does another program use it ({describe_users(node)})? "
                "Else unplug it and plug it in again"
            )
        self._log_granted(request)

    @property
    def live(self) -> bool:
        """Return True: a camera does not wait."""
        return True

    @property
    def endless(self) -> bool:
        """Return True: a camera that ends is unplugged."""
        return True

    @property
    def skipped(self) -> int:
        """Return 0: OpenCV does not say what it cannot decode."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield pictures in BGR until `close`. Raises SourceError when there are no more."""
        index = 0
        pixels, self._first = self._first, None
        while not self._capture.closed:
            if pixels is None:
                pixels = self._read()
            if pixels is None:
                break
            yield Frame(pixels, "BGR", index, self._captured_ns(), self._source_id)
            index += 1
            pixels = None
        if not self._capture.closed:
            raise SourceError(
                f"{self._node} gives no more pictures: unplugged? `mnv2-edge cameras` shows what is there"
            )

    def close(self) -> None:
        """Free the camera, at once or when the read under way returns."""
        self._capture.close()

    def _read(self) -> UInt8Array | None:
        pixels = self._capture.read()
        if pixels is not None and (pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3):
            raise SourceError(
                f"{self._node} gives {pixels.dtype} pictures of shape {list(pixels.shape)}: 8-bit colour was expected; "
                f"`mnv2-edge cameras` shows its formats, ?format=mjpg or yuyv chooses one"
            )
        return pixels

    def _captured_ns(self) -> int:
        """Return the driver's stamp of the last picture, else now.

        V4L2 stamps with the monotonic clock, and OpenCV gives that in milliseconds.
        """
        import cv2

        stamp_ns = int(self._capture.reader.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return monotonic_stamp(stamp_ns, time.monotonic_ns())

    def _log_granted(self, request: V4l2Request) -> None:
        import cv2

        get = self._capture.reader.get
        code = int(get(cv2.CAP_PROP_FOURCC)) & 0xFFFF_FFFF
        granted = code.to_bytes(4, "little").decode("ascii", "replace")
        _log.info(
            "%s: %s asked for %dx%d %s at %g frames/s, granted %dx%d %s at %g",
            self._source_id,
            self._node,
            *request.size,
            request.fourcc,
            request.fps,
            int(get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(get(cv2.CAP_PROP_FRAME_HEIGHT)),
            granted,
            get(cv2.CAP_PROP_FPS),
        )


def _open_capture(node: Path, request: V4l2Request) -> VideoReader:
    """Open a node with OpenCV and ask for format, size, rate and a single buffer, in the order that V4L2 needs."""
    import cv2

    capture = cv2.VideoCapture(str(node), cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"{node} cannot be opened as a camera: does another program use it ({describe_users(node)}), "
            "or is it none (`mnv2-edge cameras` lists them)?"
        )
    for prop, value in (
        (cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*request.fourcc))),
        (cv2.CAP_PROP_FRAME_WIDTH, float(request.size[0])),
        (cv2.CAP_PROP_FRAME_HEIGHT, float(request.size[1])),
        (cv2.CAP_PROP_FPS, request.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1.0),
    ):
        capture.set(prop, value)
    return cast("VideoReader", capture)
