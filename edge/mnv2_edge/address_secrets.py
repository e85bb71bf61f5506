"""Secrets in the addresses of cameras: all that is not known to be harmless is hidden.

Cameras take their logins under any name (`loginpas=`, `psw=`, `auth=`, a bare key) and also in the path
(`/user=admin_password=xyz_channel=1`), so no list of secret names is ever complete; a list of harmless ones may be.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

__all__ = ["hidden_values", "hide_in_addresses", "names_password"]

_HIDDEN: Final = "***"

_OURS: Final = frozenset(
    {
        "ca_file",
        "faults",
        "film",
        "format",
        "fps",
        "frames",
        "keyframes",
        "library",
        "seed",
        "size",
        "timeout",
        "transport",
        "verify",
        "rotate",
        "flip",
        "roi",
        "pace",
    }
)
"""Options of our own sources."""
_HARMLESS: Final = _OURS | {
    "width",
    "height",
    "resolution",
    "res",
    "rate",
    "framerate",
    "quality",
    "compression",
    "codec",
    "videocodec",
    "bitrate",
    "channel",
    "channelno",
    "chn",
    "stream",
    "streamtype",
    "streamid",
    "subtype",
    "sub",
    "substream",
    "real_stream",
    "profile",
    "camera",
    "cam",
    "unicast",
    "proto",
    "video",
    "audio",
}
"""With what cameras call a picture's properties, and which of their streams is meant."""
_NEVER_HARMLESS: Final = re.compile(r"=|%3d|[?#]|://", re.IGNORECASE)
"""Such a value holds more than a value."""

_LOGIN_NAME: Final = (
    r"(?:[a-z]{0,12}(?:passw?o?r?d?|passwd|paswd|pas|pwd|psw|pw|token|secret|apikey|api_key|auth|credentials?|signature|sid)"
    r"|key|user|username|usr|loginuse|login)"
)
_BOUNDED: Final = r"(?:(?![_&;,][A-Za-z][A-Za-z-]{0,30}=)[^/?&\s'\"]){1,256}"
_URI: Final = re.compile(
    r"(?P<front>(?P<scheme>[a-z][a-z0-9+.-]{0,30})://[^\s/?#'\"<>]{0,512})"
    r"(?P<rest>[/?#][^\s'\"<>]{0,4096})?",
    re.IGNORECASE,
)
_PAIR: Final = re.compile(
    r"(?P<front>[?&;](?P<name>[a-z_][a-z0-9_.-]{0,40})=)(?P<value>[^&\s'\"]{1,4096})", re.IGNORECASE
)
_NAME: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,24}", re.IGNORECASE)
_LOGIN_PAIR: Final = re.compile(rf"(?P<front>[/?&;,_]{_LOGIN_NAME}=)(?P<value>{_BOUNDED})", re.IGNORECASE)
_LOGIN_QUERY: Final = re.compile(
    r"[/?&;,_](?:[a-z]{0,12}(?:passw?o?r?d?|passwd|paswd|pas|pwd|psw|pw)|[a-z_]{0,12}token|secret|api_?key|auth)=",
    re.IGNORECASE,
)
_IN_SEGMENT: Final = re.compile(
    r"(?P<front>(?:^|[_&;,])(?P<name>[a-z][a-z-]{0,30})=)(?P<value>.*?)(?=[_&;,][a-z][a-z-]{0,30}=|$)", re.IGNORECASE
)
_END: Final = re.compile(r"[)\].,:;!]*$")
"""What stands behind an address in a sentence."""

_SHORTEST_UNKNOWN: Final = 6
"""A shorter value under a name that no login has is not looked for in a whole log: it may be `live` or `high`."""


def hide_in_addresses(text: str) -> str:
    """Return the text with *** for what queries and paths of addresses say, except what is known to be harmless."""
    text = _URI.sub(_hide_in_uri, text)
    text = _PAIR.sub(_hide_pair, text)  # a request line, or a Location header, has no scheme
    return _LOGIN_PAIR.sub(_hide_login, text)


def hidden_values(uri: str) -> Iterator[str]:
    """Yield what `hide_in_addresses` hides of one address, as written and unescaped, as far as it tells one camera."""
    for key in _bare_keys(uri):
        if len(key) >= _SHORTEST_UNKNOWN:
            yield key
            yield unquote(key)
    for pattern in (_PAIR, _LOGIN_PAIR):
        for match in pattern.finditer(uri):
            name = match["front"].strip("/?&;,_=")
            value = match["value"]
            is_login = re.fullmatch(_LOGIN_NAME, name, re.IGNORECASE) is not None
            if _stays(name, value) or name.lower() in {"user", "username", "usr", "login", "loginuse"}:
                continue  # a user is a name, and may be a word like `admin`
            if is_login or len(value) >= _SHORTEST_UNKNOWN:
                yield value
                yield unquote(value)


def _bare_keys(uri: str) -> Iterator[str]:
    for piece in uri.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = piece.partition("=")
        if _is_bare(name, value):
            yield name


def names_password(uri: str) -> bool:
    """Tell whether a query or a path holds a login by its name."""
    return _LOGIN_QUERY.search(uri) is not None


def _stays(name: str, value: str) -> bool:
    return value == _HIDDEN or (name.lower() in _HARMLESS and _NEVER_HARMLESS.search(value) is None)


def _hide_pair(match: "re.Match[str]") -> str:
    return match[0] if _stays(match["name"], match["value"]) else f"{match['front']}{_HIDDEN}"


def _hide_login(match: "re.Match[str]") -> str:
    return f"{match['front']}{_HIDDEN}"


def _hide_in_uri(match: "re.Match[str]") -> str:
    rest = match["rest"]
    if not rest or match["scheme"].lower() == "file":
        return match[0]
    tail = _END.search(rest)
    end = tail[0] if tail else ""
    rest = rest[: len(rest) - len(end)]
    rest, hash_mark, fragment = rest.partition("#")
    path, question, query = rest.partition("?")
    shown = "/".join(_hide_in_segment(segment) for segment in path.split("/"))
    shown += question + "&".join(_hide_in_query(piece) for piece in query.split("&"))
    return f"{match['front']}{shown}{hash_mark}{_HIDDEN if fragment else ''}{end}"


def _hide_in_segment(segment: str) -> str:
    if "=" in segment:
        return _IN_SEGMENT.sub(_hide_pair, segment)
    user, _, password = segment.partition(":")
    return f"{user}:{_HIDDEN}" if user and password else segment


def _hide_in_query(piece: str) -> str:
    name, equals, value = piece.partition("=")
    if _is_bare(name, value):
        return _HIDDEN
    return f"{name}{equals}{value if not value or _stays(name, value) else _HIDDEN}"


def _is_bare(name: str, value: str) -> bool:
    """Tell whether the name of an option is the secret itself: a key alone, also one in base64 that ends with =."""
    if not name or name.lower() in _HARMLESS or name == _HIDDEN:
        return False
    return not value.strip("=") or _NAME.fullmatch(name) is None
