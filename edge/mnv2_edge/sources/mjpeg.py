"""Read motion JPEG over HTTP, as webcams, ESP32 cameras and most IP cameras offer it."""

import http.client
import logging
import math
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.address import Address, login_refused, split_address, take_options
from mnv2_edge.sources.certificates import TLS_OPTIONS, Trust, read_trust
from mnv2_edge.sources.guard import Guard
from mnv2_edge.sources.jpeg_size import count_pixels
from mnv2_edge.sources.multipart import JpegParts
from mnv2_edge.sources.pictures import is_cut
from mnv2_edge.sources.web_login import authorization
from mnv2_edge.sources.web_stream import WebStream
from mnv2_engines.tensors import UInt8Array

__all__ = ["MjpegSource", "open_mjpeg"]

_log = logging.getLogger(__name__)
_FIRST_S: Final = 8.0  # nobody can close it before it is open, so that may not take for ever
_LEAST_SILENCE_S: Final = 10.0
_AFTER_SUPERVISOR_S: Final = 1.0  # a backstop: whoever supervises closes a silent source sooner
_CHUNK: Final = 256 * 1024
_AHEAD: Final = 8 * 1024 * 1024  # read on for a newer picture at most so far
_MOST_PIXELS: Final = 100_000_000  # no camera has as many, and decoding them takes 300 MB


def open_mjpeg(options: SourceOptions) -> "MjpegSource":
    """Open ``http://[user@]host[:port]/path?query``, or https; the query is the camera's own.

    But for ``ca_file=FILE`` and ``verify=no`` of https, which mean what they do with rtsps. Raises SourceLoginError
    when the camera refuses the user or password, SourceError when it cannot be reached, its certificate is not
    accepted, or it gives no motion JPEG, UsageError for options that make no sense.
    """
    if options.pace == "max":
        raise UsageError("--pace max has no meaning for a camera: it comes at its own rate")
    secure = options.uri[:6].lower() == "https:"
    uri, ours = take_options(options.uri, TLS_OPTIONS) if secure else (options.uri, {})
    trust = read_trust("https", ours) if secure else None
    silence_s = max(_LEAST_SILENCE_S, options.stall_s + _AFTER_SUPERVISOR_S)
    source = MjpegSource(split_address(uri, options.secret), options.camera_id, trust=trust, silence_s=silence_s)
    if trust is not None and not trust.verify:  # here, so that a camera that is away is not warned of again and again
        _log.warning(
            "%s: the camera's certificate is not checked (verify=no): anybody on the way may be it", options.camera_id
        )
    return source


class MjpegSource:
    """Give the newest picture that has arrived, in BGR and stamped by its arrival.

    What arrived before it and was not read yet is passed over undecoded, so a slow reader never sees the past; its
    indices are passed over too. It is open once a picture came.
    """

    def __init__(self, address: Address, source_id: str, *, trust: Trust | None, silence_s: float) -> None:
        self._address = address
        self._source_id = source_id
        self._skipped = 0
        self._index = -1
        self._silence_s = _FIRST_S
        self._stream = self._connect(trust)
        self._guard = Guard(self._stream.close)
        try:
            self._parts = JpegParts(self._boundary())
            self._first = self._read(time.monotonic() + _FIRST_S)
            self._silence_s = silence_s
            self._stream.wait_at_most(silence_s)
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
        """Count the pictures that arrived and could not be decoded."""
        return self._skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield pictures until `close`. Raises SourceError when the stream ends or breaks."""
        frame, self._first = self._first, None
        while frame is not None:
            yield frame
            frame = self._read()

    def close(self) -> None:
        """End the connection at once, also under a read."""
        self._guard.close()
        self._stream.shut()

    def _connect(self, trust: Trust | None) -> WebStream:
        """Ask for the stream, and again with a login when the camera wants one; never more often than that."""
        stream = WebStream(self._address, trust, None, self._silence_s)
        if stream.response.status == 401:
            answer = authorization(stream.response.headers.get("WWW-Authenticate", ""), self._address)
            if answer is not None:
                stream.close()
                stream = WebStream(self._address, trust, answer, self._silence_s)
        if stream.response.status == 200:
            return stream
        stream.close()
        shown, why = self._address.shown, f"{stream.response.status} {stream.response.reason}"
        if stream.response.status in (401, 403):
            raise login_refused(shown, why)
        elsewhere = stream.response.headers.get("Location")
        hint = f"it is at {elsewhere}" if elsewhere else "its manual names the address of its MJPEG stream"
        raise SourceError(f"{shown} answers {why}: {hint}")

    def _boundary(self) -> str:
        kind = self._stream.response.headers.get_content_type()
        if kind != "multipart/x-mixed-replace":
            raise SourceError(
                f"{self._address.shown} gives {kind} and no motion JPEG (multipart/x-mixed-replace): its manual names "
                "the address of its MJPEG stream; for H.264 use rtsp://"
            )
        return self._stream.response.headers.get_boundary() or ""

    def _read(self, give_up_at: float = math.inf) -> Frame | None:
        """Return the newest picture that can be decoded; None when closed.

        Raises SourceError when there is none until `give_up_at`, on the clock of `time.monotonic()`.
        """
        with self._guard.reading() as open_still:
            while open_still and not self._guard.closed:
                pictures = self._receive(give_up_at)
                if not pictures:
                    break
                arrived_ns = time.monotonic_ns()
                self._index += len(pictures)
                pixels = _decode(pictures[-1])
                if pixels is not None:
                    return Frame(pixels, "BGR", self._index, arrived_ns, self._source_id)
                self._skipped += 1
                _log.debug("%s: picture %d could not be decoded", self._source_id, self._index)
        return None

    def _receive(self, give_up_at: float) -> list[bytes]:
        """Return at least one picture, and all that have arrived; none when closed."""
        pictures: list[bytes] = []
        read = 0
        while not pictures or (read < _AHEAD and self._stream.more_has_come()):
            if time.monotonic() > give_up_at:
                raise SourceError(f"{self._address.shown} gives no whole picture in {_FIRST_S:g} s: is it motion JPEG?")
            try:
                data = self._stream.receive(_CHUNK)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                if pictures or self._guard.closed:
                    break
                silent = isinstance(exc, TimeoutError)
                why = f"nothing came for {self._silence_s:g} s" if silent else f"{type(exc).__name__} {exc}"
                raise SourceError(f"{self._address.shown} stopped: {why}") from exc
            if not data:
                if pictures or self._guard.closed:
                    break
                raise SourceError(f"{self._address.shown} ended the stream")
            read += len(data)
            pictures += self._cut(data)
        return pictures

    def _cut(self, data: bytes) -> list[bytes]:
        try:
            return self._parts.feed(data)
        except SourceError as exc:
            raise SourceError(f"{self._address.shown}: {exc}") from exc


def _decode(jpeg: bytes) -> UInt8Array | None:
    import cv2

    if not jpeg or is_cut(jpeg) or count_pixels(jpeg) > _MOST_PIXELS:
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)
