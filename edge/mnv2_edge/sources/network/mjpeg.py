"""Motion JPEG over HTTP, as webcams, ESP32 cameras and most IP cameras offer it."""

import http.client
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mnv2_edge.errors import PictureError, SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.close_guard import CloseGuard
from mnv2_edge.sources.decoding.limits import PictureLimits
from mnv2_edge.sources.decoding.picture import decode_picture
from mnv2_edge.sources.files.pictures import is_cut
from mnv2_edge.sources.network.address import CameraAddress, login_refused, split_address, take_options
from mnv2_edge.sources.network.certificates import TLS_OPTIONS, CertificatePolicy, read_trust
from mnv2_edge.sources.network.http import WebStream, authorization
from mnv2_edge.sources.network.multipart import JpegParts
from mnv2_engines.tensors import UInt8Array

__all__ = ["MjpegSource", "open_mjpeg"]

_log = logging.getLogger(__name__)
_FIRST_S: Final = 8.0  # it cannot be closed before it is open, so opening needs a time limit
_LEAST_SILENCE_S: Final = 10.0
_AFTER_SUPERVISOR_S: Final = 1.0  # a backstop: the supervisor closes a silent source sooner
_CHUNK: Final = 256 * 1024
_AHEAD: Final = 8 * 1024 * 1024  # read on for a newer picture at most so far
_REFUSED_SHARE: Final = 0.8  # of the time in which a supervisor loses patience, and would not know why


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
    patience = Patience(max(_LEAST_SILENCE_S, options.stall_s + _AFTER_SUPERVISOR_S), _REFUSED_SHARE * options.stall_s)
    source = MjpegSource(
        split_address(uri, options.secret), options.camera_id, trust=trust, patience=patience, limits=options.limits
    )
    if trust is not None and not trust.verify:  # here, so that a camera that is away is not warned of again and again
        _log.warning(
            "%s: the camera's certificate is not checked (verify=no): anybody on the way may be it", options.camera_id
        )
    return source


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a stream that is open may give no picture that can be decoded; in seconds."""

    silence_s: float
    """In which no picture came."""
    refused_s: float
    """In which pictures came, none of which could be decoded."""


class MjpegSource:
    """Source of the newest picture that has arrived, in BGR and stamped by its arrival.

    What arrived before it and was not read yet is passed over undecoded, so a slow reader never sees the past; its
    indices are passed over too. A picture that is damaged, or larger than `limits`, is counted and passed over, and the
    first is warned of. It is open once a picture came that could be decoded.
    """

    def __init__(
        self,
        address: CameraAddress,
        source_id: str,
        *,
        trust: CertificatePolicy | None,
        patience: Patience,
        limits: PictureLimits,
    ) -> None:
        self._address = address
        self._source_id = source_id
        self._skipped = 0
        self._opened = self._warned = False
        self._refusal = ""
        """Why the last picture could not be decoded; empty when it could."""
        self._index = -1
        self._limits = limits
        self._patience = Patience(_FIRST_S, _FIRST_S)
        self._stream = self._connect(trust)
        self._guard = CloseGuard(self._stream.close)
        try:
            self._parts = JpegParts(self._boundary(), limits.streamed_bytes)
            self._first = self._read()
            self._opened = True
            self._patience = patience
            self._stream.wait_at_most(patience.silence_s)
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

    def _connect(self, trust: CertificatePolicy | None) -> WebStream:
        """Ask for the stream, and again with a login when the camera wants one; never more often than that."""
        stream = WebStream(self._address, trust, None, _FIRST_S)
        if stream.response.status == 401:
            answer = authorization(stream.response.headers.get("WWW-Authenticate", ""), self._address)
            if answer is not None:
                stream.close()
                stream = WebStream(self._address, trust, answer, _FIRST_S)
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

    def _read(self) -> Frame | None:
        """Return the newest picture that can be decoded; None when closed.

        Raises SourceError when there is none for longer than patience lasts.
        """
        asked = time.monotonic()
        self._refusal = ""
        with self._guard.reading() as open_still:
            while open_still and not self._guard.closed:
                picture = self._receive(asked + self._patience.silence_s)
                if picture is None:
                    break
                arrived_ns = time.monotonic_ns()
                try:
                    return Frame(self._decode(picture), "BGR", self._index, arrived_ns, self._source_id)
                except PictureError as exc:
                    self._refuse(str(exc))
                if time.monotonic() - asked > self._patience.refused_s:
                    raise SourceError(self._impatience())
        return None

    def _decode(self, jpeg: bytes) -> UInt8Array:
        if is_cut(jpeg):
            raise PictureError("was cut on its way")
        return decode_picture(jpeg, self._limits)

    def _refuse(self, why: str) -> None:
        """Count a picture, and warn of the first; until the stream is open, whoever opens it hears why that fails."""
        self._skipped += 1
        self._refusal = why
        if self._opened and not self._warned:
            self._warned = True
            _log.warning("%s: a picture %s; passed over (further ones are only counted)", self._source_id, why)
        else:
            _log.debug("%s: picture %d %s", self._source_id, self._index, why)

    def _impatience(self) -> str:
        """Say what came instead of a picture."""
        if self._refusal:
            return f"{self._address.shown} gives no picture that can be decoded: the last {self._refusal}"
        return f"{self._address.shown} gives no whole picture in {self._patience.silence_s:g} s: is it motion JPEG?"

    def _receive(self, give_up_at: float) -> bytes | None:
        """Return the newest of all pictures that have arrived, at least one; None when closed.

        Raises SourceError when there is none until `give_up_at`, on the clock of `time.monotonic()`.
        """
        newest: bytes | None = None
        read = 0
        while newest is None or (read < _AHEAD and self._stream.more_has_come()):
            if newest is None and time.monotonic() > give_up_at:
                raise SourceError(self._impatience())
            try:
                data = self._stream.receive(_CHUNK)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                if newest is not None or self._guard.closed:
                    break
                silent = isinstance(exc, TimeoutError)
                came = f"nothing came for {self._patience.silence_s:g} s"
                why = came if silent else f"{type(exc).__name__} {exc}"
                raise SourceError(f"{self._address.shown} stopped: {why}") from exc
            if not data:
                if newest is not None or self._guard.closed:
                    break
                raise SourceError(f"{self._address.shown} ended the stream")
            read += len(data)
            for picture in self._cut(data):
                newest = picture
                self._index += 1
        return newest

    def _cut(self, data: bytes) -> list[bytes]:
        try:
            return self._parts.feed(data)
        except SourceError as exc:
            raise SourceError(f"{self._address.shown}: {exc}") from exc
