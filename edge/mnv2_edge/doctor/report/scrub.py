"""Removal of secrets and identities from text: more than logs leave out, since reports are published.

What is known by its value (passwords, serial numbers, the names of networks) goes wherever it stands; the rest by its
shape. A report is better with a hole too many than with a secret.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Final, TypeAlias

from mnv2_edge.redaction import redact, spellings
from mnv2_engines.printable import printable

__all__ = ["HIDDEN", "NAMED_SECRET", "Plain", "Scrubber", "is_public"]

HIDDEN: Final = "***"
Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

_SHORTEST: Final = 4
"""A shorter secret would blot out half of the text; redaction has the same limit."""
# Each pattern is bounded: a log may hold a word of many kilobytes, at which none may look from each of its letters on.
_PEM: Final = re.compile(r"-----BEGIN [^-\n]+-----.*?(?:-----END [^-\n]+-----|\Z)", re.DOTALL)
_URI: Final = re.compile(
    r"""(?P<scheme>\b[a-z][a-z0-9+.-]{0,30})://(?:[^\s'"]{0,4096}@)?
    (?P<host>\[[0-9a-f:.%]+\]|[^\s/:?\#'",;()\[\]]*)(?P<port>:\d+)?(?P<rest>[/?\#][^\s'"]*)?""",
    re.IGNORECASE | re.VERBOSE,
)
NAMED_SECRET: Final = re.compile(
    r"""(?P<name>(?<![\w-])[\w-]{0,64}(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|psk|ssid|credential|cookie|
    user-id|user-pw|proxy-id|proxy-pw)[\w-]{0,64})
    (?P<between>["']?\s*[:=]\s*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_BLOCK: Final = re.compile(
    r"""^(?P<front>(?P<indent>[ \t]*)(?:-[ ])?[\w"'-]{0,64}
    (?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|psk)[\w"'-]{0,64}
    [ \t]*:[ \t]*[|>][+\-\d]{0,2}[ \t]*\n)(?:(?P=indent)[ \t]+[^\n]*(?:\n|\Z))+""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
"""What YAML writes below its name."""
_OPTION: Final = re.compile(
    r"""(?P<front>(?<![\w-])--[\w-]{0,64}(?:passw(?:or)?d|passphrase|secret|token|api-?key|psk)[ \t]+)
    (?:"[^"\n]*"|'[^'\n]*'|\S+)""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION: Final = re.compile(r"(?P<front>\bauthorization['\"]?\s{0,9}[:=])[^\n]+", re.IGNORECASE)
"""Digest has a user and several hashes, and others what they like: to the end of the line."""
_BEARER: Final = re.compile(r"(?P<front>\bbearer )[\w.~+/=-]{8,}", re.IGNORECASE)
_LOGIN: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}:[^\s@'\"?]{1,128}@(?=[\w\[])")
"""`user:password@host`, without the scheme before it."""
_MAC: Final = re.compile(r"\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b", re.IGNORECASE)
_IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]|-\d)")  # 8.6.2.3-1 is a package of Debian's
_IPV6: Final = re.compile(
    r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})(?![\w:])", re.IGNORECASE
)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\b(?:[0-9a-f]{32,}|(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{32,})\b")
_OWNED: Final = re.compile(r"(?P<front>(?:(?<!\w)|(?<=/var))/(?:home|media|run/media)/)[^/\s'\":,;]+")
"""Folders that are called as their user is."""


class Scrubber:
    """Filter that hides `secrets` everywhere, and `names` where they are whole words.

    `versions` look like addresses and are none: `4.11.0.86` is an OpenCV.
    """

    def __init__(self, secrets: Collection[str], names: Collection[str], versions: Collection[str] = ()) -> None:
        known = {form for secret in secrets if len(secret) >= _SHORTEST for form in spellings(secret)}
        self._secrets = sorted(known, key=len, reverse=True)
        words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
        self._names = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None
        self._versions = frozenset(versions)

    def text(self, text: str) -> str:
        """Return the text without them, printable, its lines kept."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _PEM.sub(HIDDEN, redact(text))
        text = _URI.sub(_hide_in_uri, text)
        text = _BLOCK.sub(rf"\g<front>\g<indent>  {HIDDEN}\n", text)
        for pattern in (_AUTHORIZATION, _BEARER, _OPTION):
            text = pattern.sub(rf"\g<front>{HIDDEN}", text)
        text = _LOGIN.sub(f"{HIDDEN}@", text)
        text = NAMED_SECRET.sub(rf"\g<name>\g<between>{HIDDEN}", text)
        for pattern in (_UUID, _MAC, _TOKEN):
            text = pattern.sub(HIDDEN, text)
        text = _IPV4.sub(self._hide_address, _IPV6.sub(self._hide_address, text))
        text = _OWNED.sub(rf"\g<front>{HIDDEN}", text)
        if self._names is not None:
            text = self._names.sub(HIDDEN, text)
        return printable(text, keep="\n\t")

    def plain(self, value: object) -> Plain:
        """Return data without them: before it is written as JSON or YAML, which escape and fold what to look for."""
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.plain(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(one) for one in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(str(value))

    def _hide_address(self, match: "re.Match[str]") -> str:
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:  # a time of day, for one
            return match[0]
        return match[0] if match[0] in self._versions or _is_common(address) else HIDDEN


def is_public(host: str) -> bool:
    """Return whether a host's name or address identifies its site: not `broker`, `pi.local` or 192.168.1.20."""
    try:
        return not _is_common(ipaddress.ip_address(host))
    except ValueError:
        return "." in host and not host.lower().endswith(".local")


def _hide_in_uri(match: "re.Match[str]") -> str:
    """Keep the scheme and a local host; a path, a query or a user may be a secret."""
    host = HIDDEN if is_public(match["host"].strip("[]")) else match["host"]
    rest = match["rest"] or ""
    return f"{match['scheme']}://{host}{match['port'] or ''}{rest if len(rest) <= 1 else f'/{HIDDEN}'}"


def _is_common(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether many sites use that address: of IPv6, which may hold a MAC, only the loopback."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_loopback or address.is_unspecified
    return not address.is_global
