"""Parts of a network camera's address; user and password are never shown."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mnv2_edge.errors import SourceLoginError, UsageError

__all__ = ["CameraAddress", "login_refused", "split_address", "take_options"]

_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """CameraAddress of a network camera, and the account to log in with."""

    url: str
    """Without user and password."""
    host: str
    port: int | None
    path: str
    """With the query, as it is asked for."""
    user: str
    password: str = field(repr=False)

    @property
    def shown(self) -> str:
        """Return what may stand in a message: the query may hold a key."""
        return self.url.partition("?")[0]


def split_address(uri: str, secret: str) -> CameraAddress:
    """Take ``scheme://[user[:password]@]host[:port]/path?query`` apart.

    `secret` is the password unless the URI has one. What may not stand in an address is escaped, as a browser does; the
    rest stays as it was written. Raises UsageError when there is no host or the port is none.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise UsageError(f"the camera's address cannot be read: {exc}; expected scheme://user@host:port/path") from exc
    if not host:
        raise UsageError(f"the camera's address has no host: expected {parts.scheme}://user@host/path")
    netloc = f"[{host}]" if ":" in host else host
    netloc = netloc if port is None else f"{netloc}:{port}"
    path = quote(urlunsplit(("", "", parts.path or "/", parts.query, "")), safe=_ASCII)
    return CameraAddress(
        url=f"{parts.scheme.lower()}://{netloc}{path}",
        host=host,
        port=port,
        path=path,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or "") or secret,
    )


def login_refused(shown: str, why: str) -> SourceLoginError:
    """Return the error for a camera that refuses the user or the password; `why` is its answer."""
    scheme = shown.partition(":")[0]
    return SourceLoginError(
        f"{shown} refuses the login ({why}): put the user into the address ({scheme}://user@host/...) and the password "
        "into MNV2_EDGE_CAMERA_PASSWORD or a password_file; it is not tried again soon, so that the account is not "
        "locked"
    )


def take_options(uri: str, ours: frozenset[str]) -> tuple[str, dict[str, str]]:
    """Return the URI without those options of its query that are `ours`, and these; the rest is the camera's own.

    What is left stays as it was written, byte for byte.
    """
    address, _, query = uri.partition("?")
    taken: dict[str, str] = {}
    left = []
    for piece in query.split("&") if query else ():
        name, _, value = piece.partition("=")
        if name in ours:
            taken[name] = unquote(value)
        else:
            left.append(piece)
    return f"{address}?{'&'.join(left)}" if left else address, taken
