"""Address of a broker, and the topics on it."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from mnv2_edge.errors import ConfigError
from mnv2_edge.redaction import redact

__all__ = ["Broker", "Topics", "is_mqtt_text", "is_topic", "parse_broker"]

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_PREFIX: Final = "mnv2-edge"
_LONGEST_TOPIC: Final = 256
"""Bytes of the part of a topic that somebody chooses. MQTT allows 65,535 in all, and some brokers 256."""
_LONGEST_USER: Final = 1024
_LEVEL: Final = re.compile(r"[^/+#\x00-\x1f]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EXPECTED: Final = "expected mqtt[s]://[user@]host[:port][/prefix]"


@dataclass(frozen=True, slots=True)
class Broker:
    """Address of a broker and the account to connect with."""

    host: str
    port: int
    tls: bool
    user: str
    """Empty: without a user name."""
    prefix: str
    """First level or levels of every topic."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics of one device."""

    prefix: str
    device: str

    @property
    def status(self) -> str:
        """Return where `online` and `offline` are, retained."""
        return f"{self.prefix}/{self.device}/status"

    def state(self, camera: str) -> str:
        """Return where the state of a camera is, retained."""
        return f"{self.prefix}/{self.device}/{camera}/state"

    def result(self, camera: str) -> str:
        """Return where the results of a camera go."""
        return f"{self.prefix}/{self.device}/{camera}/result"

    def event(self, camera: str) -> str:
        """Return where the events of a camera go."""
        return f"{self.prefix}/{self.device}/{camera}/event"


def parse_broker(uri: str) -> Broker:
    """Read ``mqtt[s]://[user@]host[:port][/prefix]``; the user name may be percent-encoded.

    Raises ConfigError for anything else, and for a URI with a password in it: that comes from `password_file` or the
    environment, so that a configuration can be shown around.
    """
    shown = redact(uri)
    try:
        parts = urlsplit(uri)
        port = parts.port
        host = parts.hostname or ""
        host.encode("idna")
    except ValueError as exc:  # UnicodeError is one
        raise ConfigError(f"broker {shown!r} is not a URI ({exc}): {_EXPECTED}") from exc
    if parts.scheme not in _PORTS or len(host.split()) != 1 or "?" in uri or "#" in uri or port == 0:
        raise ConfigError(f"broker {shown!r} makes no sense: {_EXPECTED}")
    if parts.password is not None:
        raise ConfigError(
            f"broker {shown!r} holds a password: leave it out, and set MNV2_EDGE_MQTT_PASSWORD or `password_file`"
        )
    prefix = parts.path.strip("/") or _PREFIX
    if len(prefix.encode(errors="replace")) > _LONGEST_TOPIC:
        raise ConfigError(
            f"topic prefix {prefix[:40]!r}... has {len(prefix)} characters: expected {_LONGEST_TOPIC} bytes at most"
        )
    if not is_topic(prefix):
        raise ConfigError(f"topic prefix {prefix!r} of {shown!r} is not a topic: expected e.g. `home/cameras`")
    user = unquote(parts.username or "")
    if not is_mqtt_text(user, _LONGEST_USER):
        raise ConfigError(
            f"the broker's user {user[:40]!r} is expected to have {_LONGEST_USER} printable bytes at most"
        )
    return Broker(host, port or _PORTS[parts.scheme], parts.scheme == "mqtts", user, prefix)


def is_topic(text: str) -> bool:
    """Return True for one or more levels that a client may publish to: no wildcards, nothing empty, no `$SYS`."""
    return (
        is_mqtt_text(text, _LONGEST_TOPIC)
        and not text.startswith("$")
        and all(_LEVEL.fullmatch(level) for level in text.split("/"))
    )


def is_mqtt_text(text: str, longest: int) -> bool:
    """Return True for text that MQTT can carry: UTF-8, without control characters, of `longest` bytes at most."""
    try:
        return len(text.encode()) <= longest and _CONTROL.search(text) is None
    except UnicodeEncodeError:  # a lone surrogate: bytes of the command line that are not UTF-8
        return False
