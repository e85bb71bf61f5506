"""Read motion JPEG over HTTP, as webcams, ESP32 cameras and most IP cameras offer it."""

import contextlib
import http.client
import logging
import math
import select
import socket
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.address import Address, login_refused, split_address
from mnv2_edge.sources.guard import Guard
from mnv2_edge.sources.multipart import JpegParts
from mnv2_edge.sources.pictures import is_cut
from mnv2_edge.sources.web_login import authorization
from mnv2_engines.tensors import UInt8Array

__all__ = ["MjpegSource", "open_mjpeg"]

_log = logging.getLogger(__name__)
_CONNECT_S: Final = 3.0
_FIRST_S: Final = 8.0  # nobody can close it before it is open, so that may not take for ever
_SILENCE_S: Final = 10.0  # a backstop: whoever supervises closes a silent source sooner
_CHUNK: Final = 256 * 1024
_AHEAD: Final = 8 * 1024 * 1024  # read on for a newer picture at most so far


def open_mjpeg(options: SourceOptions) -> "MjpegSource":
    """Open ``http://[user@]host[:port]/path?query``, or https; the query is the camera's own.

    Raises SourceLoginError when the camera refuses the user or password, SourceError when it cannot be reached or gives
    no motion JPEG.
    """
    if options.pace == "max":
        raise UsageError("--pace max has no meaning for a camera: it comes at its own rate")
    return MjpegSource(split_address(options.uri, options.secret), options.camera_id)


class MjpegSource:
    """Give the newest picture that has arrived, in BGR and stamped by its arrival.

    What arrived before it and was not read yet is passed over undecoded, so a slow reader never sees the past; its
    indices are passed over too. It is open once a picture came.
    """

    def __init__(self, address: Address, source_id: str) -> None:
        self._address = address
        self._source_id = source_id
        self._skipped = 0
        self._index = -1
        self._socket: socket.socket | None = None
        self._response = self._connect()
        self._guard = Guard(self._response.close)
        try:
            self._parts = JpegParts(self._boundary())
            self._first = self._read(time.monotonic() + _FIRST_S)
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
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other end was quicker
                self._socket.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> http.client.HTTPResponse:
        """Ask for the stream, and again with a login when the camera wants one; never more often than that."""
        response = self._ask(None)
        if response.status == 401:
            answer = authorization(response.headers.get("WWW-Authenticate", ""), self._address)
            if answer is not None:
                response.close()
                response = self._ask(answer)
        if response.status == 200:
            return response
        response.close()
        shown, why = self._address.shown, f"{response.status} {response.reason}"
        if response.status in (401, 403):
            raise login_refused(shown, why)
        elsewhere = response.headers.get("Location")
        hint = f"it is at {elsewhere}" if elsewhere else "its manual names the address of its MJPEG stream"
        raise SourceError(f"{shown} answers {why}: {hint}")

    def _ask(self, login: str | None) -> http.client.HTTPResponse:
        address = self._address
        secure = address.url.startswith("https:")
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        headers = {"User-Agent": "mnv2-edge", **({} if login is None else {"Authorization": login})}
        connection = kind(address.host, address.port, timeout=_CONNECT_S)
        try:
            connection.connect()
            self._socket = connection.sock
            connection.request("GET", address.path, headers=headers)
            response = connection.getresponse()
            self._socket.settimeout(_SILENCE_S)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise SourceError(
                f"{address.shown} cannot be reached: {exc}; `ping {address.host}` tells whether the camera is on"
            ) from exc
        return response

    def _boundary(self) -> str:
        kind = self._response.headers.get_content_type()
        if kind != "multipart/x-mixed-replace":
            raise SourceError(
                f"{self._address.shown} gives {kind} and no motion JPEG (multipart/x-mixed-replace): its manual names "
                "the address of its MJPEG stream; for H.264 use rtsp://"
            )
        return self._response.headers.get_boundary() or ""

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
        while not pictures or (read < _AHEAD and self._more_has_come()):
            if time.monotonic() > give_up_at:
                raise SourceError(f"{self._address.shown} gives no whole picture in {_FIRST_S:g} s: is it motion JPEG?")
            try:
                data = self._response.read1(_CHUNK)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                if pictures or self._guard.closed:
                    break
                raise SourceError(f"{self._address.shown} stopped: {type(exc).__name__} {exc}") from exc
            if not data:
                if pictures or self._guard.closed:
                    break
                raise SourceError(f"{self._address.shown} ended the stream")
            read += len(data)
            pictures += self._parts.feed(data)
        return pictures

    def _more_has_come(self) -> bool:
        if self._socket is None or self._socket.fileno() < 0:
            return False
        return bool(select.select([self._socket], [], [], 0)[0])


def _decode(jpeg: bytes) -> UInt8Array | None:
    import cv2

    if is_cut(jpeg):
        return None
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if pixels is None else np.asarray(pixels, np.uint8)
