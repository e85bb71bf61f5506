"""Any camera that a GStreamer pipeline can read, through PyGObject: pip's OpenCV has no GStreamer."""

import re
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import numpy as np

from mnv2_edge.errors import PictureError, SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import monotonic_stamp
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.close_guard import CloseGuard
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.network.address import login_refused
from mnv2_edge.sources.pixels import to_color
from mnv2_edge.sources.system_libraries import import_gstreamer
from mnv2_edge.sources.uri import refuse_unknown

__all__ = ["SINK", "GstSource", "build_pipeline", "open_gst"]

SINK: Final = "appsink name=mnv2 max-buffers=1 drop=true sync=false"
"""Keeps the newest picture only."""
_TAIL: Final = f"videoconvert ! video/x-raw,format=(string){{BGR,RGB,BGRx,RGBx}} ! {SINK}"
_WAIT_NS: Final = 200_000_000  # how late a `close` is noticed while no frame comes
_CHANNELS: Final = {"BGR": 3, "RGB": 3, "BGRx": 4, "RGBx": 4}


def open_gst(options: SourceOptions) -> "GstSource":
    """Open ``gst:PIPELINE``, as in ``gst:v4l2src device=/dev/video0 ! jpegdec``; our appsink is put at its end.

    Raises LibraryMissingError without GStreamer, UsageError for what is not a pipeline, SourceError when it gives no
    picture.
    """
    refuse_unknown("gst", options.query, ())
    description = options.uri.partition(":")[2].strip()
    if not description or "appsink" in description:
        raise UsageError(
            f"{options.uri!r}: expected gst: and a pipeline that ends in raw video, without an appsink, as in "
            "'gst:v4l2src device=/dev/video0 ! jpegdec'"
        )
    gst = import_gstreamer()
    return GstSource(
        gst, build_pipeline(gst, f"{description} ! {_TAIL}"), "gst pipeline", options.camera_id, limits=options.limits
    )


def build_pipeline(gst: ModuleType, description: str) -> Any:  # noqa: ANN401 - PyGObject has no types
    """Return the pipeline, not started. Raises UsageError for what GStreamer does not understand."""
    from gi.repository import GLib

    try:
        return gst.parse_launch(description)
    except GLib.Error as exc:
        raise UsageError(
            f"GStreamer cannot build the pipeline: {exc.message}; `gst-launch-1.0 ... ! fakesink` tries one, "
            "`gst-inspect-1.0` lists the elements"
        ) from exc


class GstSource:
    """Source of the newest picture of a pipeline that ends in `SINK`; it owns the pipeline.

    Stamps are the buffers' own (on the monotonic clock), or the time of arrival where those make no sense. It is open
    once a picture came.
    """

    def __init__(
        self,
        gst: ModuleType,
        pipeline: Any,  # noqa: ANN401 - PyGObject has no types
        name: str,
        source_id: str,
        *,
        hint: str = "",
        first_s: float = 8.0,
        silence_s: float | None = None,
        limits: PictureLimits = DEFAULT_LIMITS,
    ) -> None:
        self._gst = gst
        self._pipeline = pipeline
        self._sink = pipeline.get_by_name("mnv2")
        self._name = name
        self._hint = f"; {hint}" if hint else ""
        self._source_id = source_id
        self._silence_s = silence_s
        self._limits = limits
        self._guard = CloseGuard(self._free)
        try:
            self._start()
            self._first = self._read(first_s)
        except BaseException:
            self._guard.close()
            raise
        if self._first is None:
            self._guard.close()
            raise SourceError(f"{name} gives no picture in {first_s:g} s{self._hint}")

    @property
    def live(self) -> bool:
        """Return True: only the newest picture is kept."""
        return True

    @property
    def endless(self) -> bool:
        """Return True: a camera that ends is a fault."""
        return True

    @property
    def skipped(self) -> int:
        """Return 0: decoders do not say what they cannot decode."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield pictures until `close`. Raises SourceError when the pipeline ends or breaks."""
        index = 0
        picture, self._first = self._first, None
        while picture is not None:
            yield Frame(picture.pixels, picture.color, index, picture.captured_ns, self._source_id)
            index += 1
            picture = self._read(self._silence_s)
        if not self._guard.closed:
            raise SourceError(f"{self._name} stopped: nothing came for {self._silence_s:g} s")

    def close(self) -> None:
        """Stop the pipeline, at once or when the read under way notices."""
        self._guard.close()

    def _start(self) -> None:
        self._pipeline.use_clock(self._gst.SystemClock.obtain())
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            self._raise_error()
            raise SourceError(f"{self._name} cannot be started{self._hint}")

    def _read(self, timeout_s: float | None) -> Frame | None:
        """Return the next picture; None when closed, or after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._guard.reading() as open_still:
            while open_still and not self._guard.closed:
                sample = self._sink.try_pull_sample(_WAIT_NS)
                if sample is not None:
                    return self._take(sample)
                self._raise_error()
                if self._sink.is_eos():
                    raise SourceError(f"{self._name} has ended{self._hint}")
                if deadline is not None and time.monotonic() > deadline:
                    return None
        return None

    def _take(self, sample: Any) -> Frame:  # noqa: ANN401 - PyGObject has no types
        from gi.repository import GstVideo

        arrived_ns = time.monotonic_ns()
        caps, buffer = sample.get_caps(), sample.get_buffer()
        info = GstVideo.VideoInfo.new_from_caps(caps)
        if info.width * info.height > self._limits.pixels:
            raise PictureError(f"{self._name} gives pictures {self._limits.refusal(info.width, info.height)}")
        layout, channels = info.finfo.name, _CHANNELS[info.finfo.name]
        mapped, memory = buffer.map(self._gst.MapFlags.READ)
        if not mapped:
            raise SourceError(f"{self._name} gives pictures that cannot be read: memory of a device?{self._hint}")
        try:
            stride = info.stride[0]
            rows = np.frombuffer(memory.data, np.uint8, stride * info.height).reshape(info.height, stride)
            view = rows[:, : info.width * channels].reshape(info.height, info.width, channels)
            pixels, color = to_color(view, layout, (info.width, info.height))
            if np.shares_memory(pixels, rows):
                pixels = pixels.copy()
        finally:
            buffer.unmap(memory)
        running_ns = sample.get_segment().to_running_time(self._gst.Format.TIME, buffer.pts)
        stamp_ns = 0 if running_ns >= self._gst.CLOCK_TIME_NONE else self._pipeline.get_base_time() + running_ns
        return Frame(pixels, color, 0, monotonic_stamp(stamp_ns, arrived_ns), self._source_id)

    def _raise_error(self) -> None:
        """Raise what the pipeline has complained about, if it has."""
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        if message is None:
            return
        error, details = message.parse_error()
        not_authorized = error.matches(self._gst.ResourceError.quark(), self._gst.ResourceError.NOT_AUTHORIZED)
        more = (details or "").strip().splitlines()[-1:]  # above it stands where in GStreamer's source that is
        if not_authorized or any(re.search(r"\b401\b", line) for line in more):  # a line number may be 401, or 8401
            raise login_refused(self._name, "401 Unauthorized")
        raise SourceError(f"{self._name}: {' '.join([error.message, *more])} ({message.src.get_name()}){self._hint}")

    def _free(self) -> None:
        self._pipeline.set_state(self._gst.State.NULL)
