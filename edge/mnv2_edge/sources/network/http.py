"""The request for a camera's stream over HTTP or HTTPS, with a time limit that no camera can extend."""

import base64
import contextlib
import http.client
import io
import select
import socket
import ssl
import threading
import urllib.request
from typing import Final, cast

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.network.address import CameraAddress
from mnv2_edge.sources.network.certificates import CertificatePolicy, format_refusal

__all__ = ["WebStream", "authorization"]

_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 5.0
"""For handshake, request and header together: each read has a time-out of its own, and a byte a second meets that."""
_PORTS: Final = {"http": 80, "https": 443}
_MOST_LINES: Final = 200
"""In a row: http.client itself takes a hundred of a header, and in a trailer any number."""


class _BoundedReader(io.BufferedReader):
    """What arrives, without lines that never end in a picture: a trailer may go on for ever otherwise."""

    _lines = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line. Raises HTTPException after too many of them in a row."""
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise http.client.HTTPException(f"more than {_MOST_LINES} lines of header or trailer")
        return super().readline(size)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes that are not a line."""
        self._lines = 0
        return super().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        """Return bytes that are not a line, as soon as there are some."""
        self._lines = 0
        return super().read1(size)


class _BoundedSocket:
    """The part of a socket that http.client uses, with a reader that is bounded."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a reader, which holds the connection open until it is closed."""
        return _BoundedReader(self._connection.makefile("rb", buffering=0))

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        self._connection.sendall(data)

    def close(self) -> None:
        """Do nothing: whoever made the connection closes it."""


class WebStream:
    """Owner of a connection and of the answer that comes over it; it is open once the whole header came."""

    def __init__(
        self, address: CameraAddress, trust: CertificatePolicy | None, login: str | None, silence_s: float
    ) -> None:
        """Ask; `trust` is None for http, `login` goes into the header. Raises SourceError."""
        self._late = threading.Event()
        host, port = address.host, address.port or _PORTS["http" if trust is None else "https"]
        try:
            self._socket = socket.create_connection((host, port), _CONNECT_S)
        except (OSError, ValueError) as exc:  # ValueError: a name that cannot be one of a host
            raise SourceError(_unreached(address, exc)) from exc
        watchdog = threading.Timer(_ANSWER_S, self._give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            self.response = self._ask(address, port, trust, login)
            self.wait_at_most(silence_s)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._socket.close()
            refusal = format_refusal(address, port, exc, trust)
            raise SourceError(self._unanswered(address) or refusal or _unreached(address, exc)) from exc
        finally:
            watchdog.cancel()
            watchdog.join()
        if self._late.is_set():  # a header that is cut off looks like a whole one
            self.close()
            raise SourceError(self._unanswered(address))

    def wait_at_most(self, silence_s: float) -> None:
        """Have `receive` raise TimeoutError when nothing comes for so long; nothing to do once the answer has ended."""
        if self._socket.fileno() >= 0:  # http.client closes it with the last byte of an answer that states its length
            self._socket.settimeout(silence_s)

    def receive(self, size: int) -> bytes:
        """Return what has come, `size` bytes at most; nothing at the end. Raises OSError, HTTPException, ValueError."""
        return self.response.read1(size)

    def more_has_come(self) -> bool:
        """Return whether `receive` would return at once; False when closed."""
        if self._socket.fileno() < 0:
            return False
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def shut(self) -> None:
        """End the connection at once, also under a read in another thread, which returns then."""
        with contextlib.suppress(OSError):  # the other end was quicker, or it is closed
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Free the connection; not while another thread reads."""
        self.response.close()
        self._socket.close()

    def _ask(
        self, address: CameraAddress, port: int, trust: CertificatePolicy | None, login: str | None
    ) -> http.client.HTTPResponse:
        if trust is not None:
            context = trust.context()
            plain = self._socket  # whose descriptor the other one takes over
            self._socket = context.wrap_socket(plain, server_hostname=address.host, do_handshake_on_connect=False)
            self._socket.do_handshake()
        connection = http.client.HTTPConnection(address.host, port)
        connection.default_port = _PORTS["http" if trust is None else "https"]  # which the Host header leaves out
        connection.sock = cast("socket.socket", _BoundedSocket(self._socket))
        headers = {"User-Agent": "mnv2-edge", **({} if login is None else {"Authorization": login})}
        connection.request("GET", address.path, headers=headers)
        return connection.getresponse()

    def _give_up(self) -> None:
        self._late.set()
        self.shut()

    def _unanswered(self, address: CameraAddress) -> str:
        if not self._late.is_set():
            return ""
        return f"{address.shown} has not answered in {_ANSWER_S:g} s: is it a camera, and is its network good?"


def _unreached(address: CameraAddress, error: Exception) -> str:
    return f"{address.shown} cannot be reached: {error}; `ping {address.host}` tells whether the camera is on"


def authorization(challenge: str, address: CameraAddress) -> str | None:
    """Return the Authorization header for a WWW-Authenticate one; None when there is no user, or no way we know.

    Basic sends the password as it is, so with http:// everybody on the network reads it: the server decides that.
    """
    scheme, _, rest = challenge.partition(" ")
    if not address.user:
        return None
    if scheme.lower() == "basic":
        return "Basic " + base64.b64encode(f"{address.user}:{address.password}".encode()).decode("ascii")
    if scheme.lower() != "digest":
        return None
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, address.url, address.user, address.password)
    asked = urllib.request.parse_keqv_list([item for item in urllib.request.parse_http_list(rest) if "=" in item])
    request = urllib.request.Request(address.url)  # noqa: S310 - never opened
    try:
        answer = urllib.request.HTTPDigestAuthHandler(passwords).get_authorization(request, asked)
    except ValueError:  # an algorithm that urllib does not know
        return None
    return f"Digest {answer}" if answer else None
