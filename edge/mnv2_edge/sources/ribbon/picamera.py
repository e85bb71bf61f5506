"""A ribbon camera of a Raspberry Pi, through picamera2."""

import concurrent.futures
import contextlib
import importlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Protocol, cast

from mnv2_edge.errors import SourceError, SourceNotFoundError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import monotonic_stamp
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.close_guard import CloseGuard
from mnv2_edge.sources.pixels import BT601_VIDEO, KR_KB, YuvCoding, to_color
from mnv2_edge.sources.system_libraries import import_picamera2
from mnv2_edge.sources.uri import read_fps, read_size, refuse_unknown
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.tensors import UInt8Array

__all__ = ["PicameraRequest", "PicameraSource", "open_picamera"]

_log = logging.getLogger(__name__)
_KIND: Final = "a ribbon camera"
_BUFFERS: Final = 4  # one at the sensor, one in the image processor, one in our hands, one to spare; CMA is scarce
_WAIT_S: Final = 0.2  # how late a `close` is noticed while no frame comes
_FIRST_S: Final = 8.0  # auto exposure and a slow sensor mode start within two
_LAYOUTS: Final[Mapping[str, str]] = {
    # libcamera names a format as a little-endian word, GStreamer (and `to_color`) by its bytes: RGB888 is BGR in memory
    "RGB888": "BGR",
    "BGR888": "RGB",
    "XRGB8888": "BGRx",
    "XBGR8888": "RGBx",
    "YUV420": "I420",
    "YVU420": "YV12",
    "NV12": "NV12",
    "NV21": "NV21",
    "YUYV": "YUY2",
    "UYVY": "UYVY",
    "MJPEG": "RGB",  # picamera2 decodes it itself
}

_YUV: Final = frozenset({"YUV420", "YVU420", "NV12", "NV21", "YUYV", "UYVY"})


class _Device(Protocol):
    """The part of `picamera2.Picamera2` that is used here."""

    camera_controls: Mapping[str, object]

    def create_video_configuration(self, **settings: object) -> dict[str, Any]: ...

    def configure(self, configuration: dict[str, Any]) -> None: ...

    def camera_configuration(self) -> dict[str, Any]: ...

    def start(self) -> None: ...

    def capture_request(self, wait: bool) -> "_Job": ...  # noqa: FBT001 - picamera2's signature

    def cancel_all_and_flush(self) -> None: ...

    def close(self) -> None: ...


class _Job(Protocol):
    def get_result(self, timeout: float) -> "_Request": ...


class _Request(Protocol):
    def make_array(self, name: str) -> UInt8Array: ...

    def get_metadata(self) -> Mapping[str, Any]: ...

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PicameraRequest:
    """What is asked of a camera; what libcamera grants may differ, is read back and logged."""

    size: tuple[int, int] = (640, 480)
    """Width and height of the main stream in pixels."""
    lores: tuple[int, int] | None = None
    """Width and height of a second stream, which then is the one that is read: the image processor shrinks for free."""
    fps: float | None = None

    @classmethod
    def from_query(cls, options: SourceOptions) -> "PicameraRequest":
        """Read ``?size=1280x720&lores=320x240&fps=15``. Raises UsageError."""
        refuse_unknown(_KIND, options.query, {"fps", "lores", "size"})
        size = read_size(_KIND, options.query) or (640, 480)
        lores = read_size(_KIND, {"size": options.query["lores"]}) if "lores" in options.query else None
        if lores is not None and (lores[0] > size[0] or lores[1] > size[1]):
            raise UsageError(
                f"{_KIND} cannot give lores={lores[0]}x{lores[1]}: expected no more than size={size[0]}x{size[1]}"
            )
        return cls(size, lores, read_fps(_KIND, options.query))


def open_picamera(options: SourceOptions) -> "PicameraSource":
    """Open ``picamera:N``, the N-th camera that `rpicam-hello --list-cameras` prints.

    Raises LibraryMissingError without picamera2, SourceNotFoundError, SourceError when it is in use or gives no
    picture; UsageError for options that make no sense.
    """
    request = PicameraRequest.from_query(options)
    number = options.uri.partition(":")[2] or "0"
    if not number.isdecimal():
        raise UsageError(f"{options.uri!r} names no ribbon camera: expected picamera:N, as in picamera:0")
    if options.pace == "max":
        raise UsageError(f"--pace max has no meaning for the camera {options.uri}: it comes at its own rate")
    return PicameraSource(_open_device(import_picamera2(), int(number)), request, options.uri, options.camera_id)


class PicameraSource:
    """Source of a camera's pictures, stamped by the sensor. It owns the device and is open once a picture came."""

    def __init__(self, device: _Device, request: PicameraRequest, name: str, source_id: str) -> None:
        self._device = device
        self._name = name
        self._source_id = source_id
        self._guard = CloseGuard(self._free)
        self._job: _Job | None = None
        try:
            self._stream, self._format, self._size, self._coding = self._configure(request)
            self._first = self._read(_FIRST_S)
        except BaseException:
            self._guard.close()
            raise
        if self._first is None:
            self._guard.close()
            raise SourceError(
                f"{name} gives no picture: is its ribbon cable seated at both ends? `rpicam-hello` shows a picture "
                "when it is"
            )

    @property
    def live(self) -> bool:
        """Return True: a camera does not wait."""
        return True

    @property
    def endless(self) -> bool:
        """Return True: a camera that ends is broken."""
        return True

    @property
    def skipped(self) -> int:
        """Return 0: picamera2 gives back damaged pictures itself."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield pictures until `close`."""
        index = 0
        picture, self._first = self._first, None
        while picture is not None:
            pixels, color, captured_ns = picture
            yield Frame(pixels, color, index, captured_ns, self._source_id)
            index += 1
            picture = self._read(None)

    def close(self) -> None:
        """Free the camera, at once or when the read under way notices."""
        self._guard.close()

    def _configure(self, request: PicameraRequest) -> tuple[str, str, tuple[int, int], YuvCoding]:
        """Configure once, as doing so again leaks memory; return which stream to read, its format, size and coding."""
        device = self._device
        settings: dict[str, object] = {
            "main": {"size": request.size, "format": "RGB888"},
            "buffer_count": _BUFFERS,
            "queue": False,  # a kept request would be an old picture
        }
        space = _bt601_space()
        if space is not None:  # else picamera2 takes BT.709 from 1280x720 on, which costs more to convert
            settings["colour_space"] = space
        if request.lores is not None:  # up to the Pi 4 this stream is YUV only
            settings["lores"] = {"size": request.lores, "format": "YUV420"}
        if request.fps is not None:
            if "FrameDurationLimits" in device.camera_controls:
                period_us = round(1e6 / request.fps)
                settings["controls"] = {"FrameDurationLimits": (period_us, period_us)}
            else:
                _log.warning("%s: %s has no rate to set: fps=%g is ignored", self._source_id, self._name, request.fps)
        try:
            device.configure(device.create_video_configuration(**settings))
            granted = device.camera_configuration()
            device.start()
        except (RuntimeError, ValueError, OSError) as exc:
            raise SourceError(
                f"{self._name} cannot be started as {settings['main']}: {exc}; `rpicam-hello --list-cameras` shows its "
                "sizes"
            ) from exc
        stream = "main" if request.lores is None else "lores"
        size: tuple[int, int] = tuple(granted[stream]["size"])
        layout = str(granted[stream]["format"])
        asked = request.lores or request.size
        _log.info(
            "%s: %s asked for %dx%d, granted %dx%d %s (%s)", self._source_id, self._name, *asked, *size, layout, stream
        )
        return stream, layout, size, self._coding_of(granted.get("colour_space"), layout)

    def _coding_of(self, space: object, layout: str) -> YuvCoding:
        """Return what YUV of the granted colour space means; it is BT.601 in video range if libcamera has agreed."""
        if layout not in _YUV:
            return BT601_VIDEO
        encoding = getattr(getattr(space, "ycbcrEncoding", None), "name", "")
        value_range = getattr(getattr(space, "range", None), "name", "")
        if encoding not in KR_KB or value_range not in ("Full", "Limited"):
            _log.warning(
                "%s: %s does not say what its colours mean (%s): BT.601 in video range is taken, and they may be off",
                self._source_id,
                self._name,
                space,
            )
            return BT601_VIDEO
        return YuvCoding(encoding, full_range=value_range == "Full")

    def _read(self, timeout_s: float | None) -> tuple[UInt8Array, ColorOrder, int] | None:
        """Return the next picture with its stamp; None when closed, or after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._guard.reading() as open_still:
            job = self._device.capture_request(wait=False) if open_still else None
            while job is not None and not self._guard.closed:
                try:
                    request = job.get_result(timeout=_WAIT_S)
                except concurrent.futures.TimeoutError:
                    if deadline is not None and time.monotonic() > deadline:
                        return None
                    continue
                except (RuntimeError, OSError) as exc:
                    raise SourceError(f"{self._name} cannot be read: {exc}") from exc
                try:
                    return self._take(request)
                finally:
                    request.release()
        return None

    def _take(self, request: _Request) -> tuple[UInt8Array, ColorOrder, int]:
        now = time.monotonic_ns()
        stamp = request.get_metadata().get("SensorTimestamp", 0)
        array = request.make_array(self._stream)
        pixels, color = to_color(array, _LAYOUTS.get(self._format, self._format), self._size, self._coding)
        return pixels, color, monotonic_stamp(int(stamp), now)

    def _free(self) -> None:
        """Cancel what still waits for a frame first: `close` would never return when none comes."""
        self._device.cancel_all_and_flush()
        self._device.close()


def _bt601_space() -> object | None:
    """Return libcamera's name for BT.601 in video range."""
    try:
        return cast("object", importlib.import_module("libcamera").ColorSpace.Smpte170m())
    except (ImportError, AttributeError):
        return None


def _open_device(module: ModuleType, number: int) -> _Device:
    cameras = module.Picamera2.global_camera_info()
    if number >= len(cameras):  # asked before opening: picamera2 (0.3.38) leaks a pipe a failed attempt
        there = ", ".join(f"picamera:{place} is {info.get('Model', '?')}" for place, info in enumerate(cameras))
        raise SourceNotFoundError(
            f"there is no picamera:{number}: {there or 'libcamera finds no camera; is the ribbon cable seated?'} "
            "(`rpicam-hello --list-cameras` lists them)"
        )
    device = module.Picamera2.__new__(module.Picamera2)
    try:
        device.__init__(number)  # in two steps, so that there is something to clean up when it fails
    except (RuntimeError, OSError) as exc:
        with contextlib.suppress(AttributeError, OSError):
            device.notifymeread.close()
            os.close(device.notifyme_w)
        why = exc.__cause__ or exc
        raise SourceError(
            f"picamera:{number} cannot be opened ({why}): does another program use it? "
            "`sudo fuser -v /dev/media* /dev/video*` tells which"
        ) from exc
    opened: _Device = device
    return opened
