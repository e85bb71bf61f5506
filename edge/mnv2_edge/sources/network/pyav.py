"""A network stream decoded with PyAV (FFmpeg)."""

import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import numpy as np

from mnv2_edge.errors import PictureError, SourceError
from mnv2_edge.frames import Frame
from mnv2_edge.sources.close_guard import CloseGuard
from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits
from mnv2_edge.sources.network.address import login_refused

__all__ = ["AvSource", "LagMeter"]

_OPEN_S: Final = 5.0
_BEHIND_NS: Final = 1_000_000_000  # from here on nothing is decoded
_CAUGHT_UP_NS: Final = 300_000_000  # until a keyframe that is less late than this


class AvSource:
    """Source of one stream's pictures in BGR, stamped by their arrival. It is open once a picture came.

    A stream over TCP cannot drop: what is decoded too slowly waits in the kernel's buffers, and latency grows. So its
    time stamps are watched, and when it has fallen a second behind, packets are thrown away undecoded up to a keyframe
    that is on time; their indices are passed over.
    """

    def __init__(
        self,
        av: ModuleType,
        url: str,
        name: str,
        source_id: str,
        *,
        options: dict[str, str],
        timeout_s: float,
        keyframes_only: bool,
        limits: PictureLimits = DEFAULT_LIMITS,
    ) -> None:
        """Open `url`, which may hold a password and is never shown; `name` is.

        Raises SourceError, also for a stream whose pictures are larger than `limits`.
        """
        self._av = av
        self._name = name
        self._source_id = source_id
        self._timeout_s = timeout_s
        self._lag = LagMeter()
        self._skipped = 0
        self._limits = limits
        self._container = self._open(url, options)
        self._guard = CloseGuard(self._container.close)
        try:
            self._pictures = self._decode(self._video(keyframes_only=keyframes_only))
            self._first = self._read()
        except BaseException:
            self._guard.close()
            raise

    @property
    def live(self) -> bool:
        """Return True: a camera does not wait."""
        return True

    @property
    def endless(self) -> bool:
        """Return True: a camera that ends is a fault."""
        return True

    @property
    def skipped(self) -> int:
        """Count the packets that could not be decoded."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield pictures until `close`. Raises SourceError when the stream ends, breaks or falls silent."""
        frame, self._first = self._first, None
        while frame is not None:
            yield frame
            frame = self._read()

    def close(self) -> None:
        """End the connection, at once or when the read under way returns, which it does within its time-out."""
        self._guard.close()

    def _open(self, url: str, options: dict[str, str]) -> Any:  # noqa: ANN401 - PyAV is optional, and so are its types
        error = self._av.error
        try:
            timeout = (_OPEN_S, self._timeout_s)
            # What a camera calls its stream is in any encoding, and nobody asks for it.
            return self._av.open(url, options=options, timeout=timeout, metadata_errors="replace")
        except (error.HTTPUnauthorizedError, error.HTTPForbiddenError) as exc:
            raise login_refused(self._name, str(exc.strerror)) from None  # its own text holds the password
        except error.FFmpegError as exc:
            raise SourceError(
                f"{self._name} cannot be opened: {self._why(exc)}; is the camera on, and is the path the one in its "
                "manual?"
            ) from None

    def _video(self, *, keyframes_only: bool) -> Any:  # noqa: ANN401 - as above
        if not self._container.streams.video:
            raise SourceError(f"{self._name} has no video: expected H.264 or H.265")
        stream = self._container.streams.video[0]
        if stream.codec_context is None:
            raise SourceError(f"{self._name} sends video that FFmpeg cannot decode: expected H.264 or H.265")
        self._require(stream.codec_context.width, stream.codec_context.height)
        stream.thread_type = "SLICE"  # threads by frame would keep as many pictures back
        if keyframes_only:
            stream.codec_context.skip_frame = "NONKEY"
        return stream

    def _read(self) -> Frame | None:
        """Return the next picture; None when closed."""
        with self._guard.reading() as open_still:
            if not open_still:
                return None
            try:
                frame = next(self._pictures, None)
            except self._av.error.FFmpegError as exc:
                if self._guard.closed:
                    return None
                raise SourceError(f"{self._name} stopped: {self._why(exc)}") from None
            if frame is None and not self._guard.closed:
                raise SourceError(f"{self._name} ended the stream")
            return frame

    def _decode(self, stream: Any) -> Iterator[Frame]:  # noqa: ANN401 - as above
        behind = False
        for index, packet in enumerate(self._container.demux(stream)):
            now_ns = time.monotonic_ns()
            if self._guard.closed:
                return
            late_ns = 0
            if packet.pts is not None and packet.time_base is not None:
                late_ns = self._lag.late_ns(int(packet.pts * packet.time_base * 1_000_000_000), now_ns)
            behind = (late_ns > _CAUGHT_UP_NS or not packet.is_keyframe) if behind else late_ns > _BEHIND_NS
            if behind:
                continue
            try:
                pictures = packet.decode()
            except self._av.error.InvalidDataError:  # the first packets of a stream joined midway, or a lost one
                self._skipped += 1
                continue
            for picture in pictures:
                self._require(picture.width, picture.height)
                pixels = np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
                yield Frame(pixels, "BGR", index, now_ns - late_ns, self._source_id)

    def _require(self, width: int, height: int) -> None:
        """Raise PictureError for pictures that are too large, which a stream may say before any of them comes."""
        if width * height > self._limits.pixels:
            raise PictureError(f"{self._name} gives pictures {self._limits.refusal(width, height)}")

    def _why(self, error: Any) -> str:  # noqa: ANN401 - as above
        """Return what FFmpeg says without the address, which holds the password."""
        if isinstance(error, self._av.error.ExitError):
            return f"nothing came for {self._timeout_s:g} s"
        return str(error.strerror or type(error).__name__)


_WINDOW_NS: Final = 30_000_000_000
"""The least late packet of the last one or two of these stands for no lag, so that a camera's clock may drift."""
_JUMP_NS: Final = 30_000_000_000  # no lag is as long: the camera has set its time stamps anew
_BACK_NS: Final = 500_000_000
"""Stamps that go back by more were set anew, too: a queue keeps their order, and B-frames go back by less."""


class LagMeter:
    """Comparison of when packets arrive with when the camera says that they were made.

    Only what is more than usual shows: the way from the camera takes some time at best, which is not visible here.
    """

    def __init__(self) -> None:
        self._least_ns: int | None = None
        self._least_before_ns: int | None = None
        self._began_ns = 0
        self._media_ns: int | None = None

    def late_ns(self, media_ns: int, now_ns: int) -> int:
        """Return by how much a packet that arrives now is later than the quickest; `media_ns` is its stamp."""
        offset_ns = now_ns - media_ns
        back = self._media_ns is not None and self._media_ns - media_ns > _BACK_NS
        self._media_ns = media_ns
        if self._least_ns is None or back or abs(offset_ns - self._least_ns) > _JUMP_NS:
            self._least_ns, self._least_before_ns, self._began_ns = offset_ns, None, now_ns
        elif now_ns - self._began_ns > _WINDOW_NS:
            self._least_before_ns, self._least_ns, self._began_ns = self._least_ns, offset_ns, now_ns
        self._least_ns = min(self._least_ns, offset_ns)
        least_ns = self._least_ns if self._least_before_ns is None else min(self._least_ns, self._least_before_ns)
        return offset_ns - least_ns
