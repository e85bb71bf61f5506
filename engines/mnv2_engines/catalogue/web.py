"""Requests to a web server, with the standard library, and plain reasons when a file does not come.

Only http and https are spoken: no file, ftp or data address gets in by a redirect. Proxies are those of the standard
variables (`https_proxy`, `no_proxy`, ...), certificates those of the system or of `SSL_CERT_FILE`.
"""

import contextlib
import email.utils
import errno
import functools
import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Final, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from mnv2_engines.errors import DownloadError

__all__ = ["InterruptedDownload", "connection_error", "host_of", "open_url"]

_AGENT: Final = "mnv2-edge (+model download)"
_REDIRECTS: Final = 5
_OFFLINE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})
_MIRROR: Final = "or fetch the file elsewhere and give its folder with `--mirror DIR`"


class InterruptedDownload(Exception):  # noqa: N818 - an event on the way to an error or to the next try
    """A failed attempt, after which another one may succeed."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        """How long the server asks to wait; None when it does not say."""


def open_url(url: str, headers: Mapping[str, str], timeout_s: float) -> http.client.HTTPResponse:
    """Return the answer, of status 200 or 206; the caller closes it. `timeout_s` is for each wait, not for all of it.

    Raises InterruptedDownload when another try makes sense, DownloadError when not, HTTPError for a status of 416.
    """
    request = _request(url, headers)
    try:
        return cast("http.client.HTTPResponse", _opener().open(request, timeout=timeout_s))
    except HTTPError as exc:
        if exc.code == 416:
            raise
        with contextlib.closing(exc):
            raise _explain_status(url, exc) from exc
    except URLError as exc:
        raise _explain_failure(url, exc.reason if isinstance(exc.reason, OSError) else exc) from exc
    except http.client.InvalidURL as exc:
        raise DownloadError(f"{url} is not an address ({exc}): expected e.g. https://HOST/FILE") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise _explain_failure(url, exc) from exc


def _request(url: str, headers: Mapping[str, str]) -> urllib.request.Request:
    try:
        request = urllib.request.Request(  # noqa: S310 - its scheme is checked below, and every redirect's
            url, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
        )
    except ValueError as exc:
        raise DownloadError(f"{url} is not an address ({exc}): expected e.g. https://HOST/FILE") from exc
    if request.type not in ("http", "https"):
        raise DownloadError(f"{url} is not fetched: expected an address that begins with https:// or http://")
    return request


def _explain_failure(url: str, error: Exception) -> DownloadError | InterruptedDownload:
    """Return what to raise for an error on the way to a server."""
    host = host_of(url)
    if isinstance(error, socket.gaierror):
        why = f"{url} cannot be fetched: the name {host} is not found ({error.strerror})"
        return DownloadError(f"{why}: is this machine online? Try again, {_MIRROR}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return DownloadError(
            f"the certificate of {host} is not trusted ({error.verify_message}): is the clock right (`date`)? Where a "
            f"proxy has its own certificate, name it in SSL_CERT_FILE; {_MIRROR}"
        )
    if isinstance(error, OSError) and error.errno in _OFFLINE:
        why = f"{url} cannot be fetched: there is no way to {host} ({error.strerror})"
        return DownloadError(f"{why}: is this machine online? Try again, {_MIRROR}")
    return connection_error(url, error)


def connection_error(url: str, error: Exception) -> InterruptedDownload:
    """Return what to raise for a connection that broke, or that may come up the next time."""
    host = host_of(url)
    if isinstance(error, TimeoutError):
        return InterruptedDownload(f"{host} does not answer in time")
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InterruptedDownload(f"the connection to {host} broke ({what})")


def host_of(url: str) -> str:
    """Return host and port of an address, fit for a terminal."""
    try:
        netloc = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        netloc = url
    return "".join(char for char in netloc if char.isprintable()) or url


def _explain_status(url: str, error: HTTPError) -> DownloadError | InterruptedDownload:
    host, code = host_of(url), error.code
    if code in (429, 503):
        return InterruptedDownload(f"{host} asks for a pause ({code})", _retry_after_s(error.headers))
    if code in (408, 425, 500, 502, 504):
        return InterruptedDownload(f"{host} has a problem ({code})")
    if 300 <= code < 400:
        why = " ".join(str(error.reason).split())
        said = f"{url} leads elsewhere and is not followed ({code}, {why}): try again later"
    elif code in (404, 410):
        said = f"{url} is not there ({code}): it was moved or removed; try again later"
    elif code == 407:
        said = f"the proxy wants a password for {url} (407): put it into the variable https_proxy"
    elif code in (401, 403, 451):
        said = f"{host} refuses to give {url} ({code}): a proxy or a login may be between; try again later"
    else:
        said = f"{host} answers {code} for {url}: expected the file; try again later"
    return DownloadError(f"{said}, {_MIRROR}")


def _retry_after_s(headers: Message) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110, section 10.2.3)."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Handler that follows a few redirects, to http and https only, and never from https to http."""

    max_redirections = _REDIRECTS
    max_repeats = 2

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request. Raises HTTPError for an address that is not safe to follow."""
        scheme = urlsplit(newurl).scheme.lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            raise HTTPError(req.full_url, code, f"{newurl} is not safe", headers, fp)
        fp.close()  # else urllib reads the body of the redirect to its end, which a server may never reach
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # Python 3.10 does not know it


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return how certificates are checked: reading those of the system takes a while, so it is done once."""
    return ssl.create_default_context()


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_tls()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener
