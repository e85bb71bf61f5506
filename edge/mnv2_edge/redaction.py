"""Passwords: kept out of logs, errors and argv, and read from files.

What is known to be secret is remembered for the whole process, as logging itself is: every log line and every error of
the command line goes through `redact`, whichever thread or library it comes from.
"""

import base64
import json
import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote

from mnv2_edge.address_secrets import hidden_values, hide_in_addresses, names_password
from mnv2_edge.errors import ConfigError, UsageError
from mnv2_engines.files.regular_file import read_start

__all__ = [
    "RedactingFilter",
    "add_camera_secrets",
    "add_secret",
    "holds_password",
    "read_secret",
    "redact",
    "redact_json",
    "refuse_password_in_argv",
    "spellings",
]

_HIDDEN: Final = "***"
_SHORTEST: Final = 4
"""A shorter secret is not looked for in text, of which it would blot out half; in a URI it is hidden all the same."""
_LONGEST_BYTES: Final = 4096

# Bounded, since a line may be long: what looks from each of its letters to its end takes minutes.
_URI_PASSWORD: Final = re.compile(r"(?P<front>[a-z][a-z0-9+.-]{0,30}://[^\s/:@'\"]*):[^\s'\"]{0,4096}@", re.IGNORECASE)
_QUERY_PASSWORD: Final = re.compile(r"[?&](?:password|passwd|pwd|pass|token|secret|api_?key)=", re.IGNORECASE)
_LOGIN: Final = re.compile(
    r"^[a-z][a-z0-9+.-]{0,30}://(?P<user>[^\s/:@]*)(?::(?P<password>[^\s]{0,4096}))?@", re.IGNORECASE
)
_PIPELINE_PASSWORD: Final = re.compile(r"(?P<front>\b(?:user|proxy)-pw\s{0,9}=\s{0,9})(?:\"[^\"]*\"|'[^']*'|[^\s'\"]+)")
"""As GStreamer's rtspsrc and souphttpsrc have it."""
_AUTHORIZATION: Final = re.compile(
    r"(?P<front>authorization['\"]?\s{0,9}[:=]\s{0,9}['\"]?(?:basic|bearer|digest|token) )[^\s'\"]+", re.IGNORECASE
)

_secrets: set[str] = set()
_lock = threading.Lock()


def redact(text: str) -> str:
    """Return the text with *** for passwords, for what the query of an address says, and for every known secret.

    Of a query what is known to be harmless stays, such as `?size=640x480`; see `mnv2_edge.address_secrets`.
    """
    text = hide_in_addresses(_URI_PASSWORD.sub(rf"\g<front>:{_HIDDEN}@", text))
    for pattern in (_PIPELINE_PASSWORD, _AUTHORIZATION):
        text = pattern.sub(rf"\g<front>{_HIDDEN}", text)
    with _lock:
        secrets = sorted(_secrets, key=len, reverse=True)
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text


def redact_json(plain: object, *, indent: int | None = None) -> str:
    """Return data as JSON, with each text in it redacted before JSON writes its quotes in another way."""

    def without_secrets(value: object) -> object:
        if isinstance(value, Mapping):
            return {key: without_secrets(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [without_secrets(one) for one in value]
        return redact(value) if isinstance(value, str) else value

    return json.dumps(without_secrets(plain), indent=indent)


def add_secret(secret: str) -> None:
    """Hide this secret from now on, however it is written."""
    if len(secret) >= _SHORTEST:
        with _lock:
            _secrets.update(spellings(secret))


def add_camera_secrets(uri: str, password: str = "") -> None:
    """Hide from now on what a camera's address keeps secret, wherever the camera or a library repeats it alone."""
    login = _LOGIN.match(uri)
    user = unquote(login["user"]) if login is not None else ""
    password = (unquote(login["password"] or "") if login is not None else "") or password
    add_secret(password)
    if password:
        add_secret(f"{user}:{password}")  # whose base64 is HTTP's and RTSP's Basic login
    for value in hidden_values(uri):
        add_secret(value)


def holds_password(uri: str) -> bool:
    """Tell whether an address holds what is certainly a password, which has a better place."""
    return any(pattern.search(uri) for pattern in (_URI_PASSWORD, _QUERY_PASSWORD, _PIPELINE_PASSWORD, _AUTHORIZATION))


def spellings(secret: str) -> set[str]:
    """Return how a secret looks in a URI, a form, JSON, Python's own words and base64, besides as it is."""
    raw = secret.encode("utf-8", "surrogateescape")
    in_uri = quote(secret, safe="", errors="surrogateescape")
    return {
        secret,
        in_uri,
        re.sub("%..", lambda escape: escape[0].lower(), in_uri),
        quote_plus(secret, errors="surrogateescape"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(raw)[2:-1],
        base64.b64encode(raw).decode().rstrip("="),
    }


class RedactingFilter(logging.Filter):
    """Filter that redacts the records of a handler: `handler.addFilter(RedactingFilter())`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the redacted text in the place of message, arguments and traceback; keep the record."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


def read_secret(file: str | None, environment: str) -> str:
    """Return the password of the environment, else the one in `file` when one is named; remember it as a secret.

    The file holds one line; its line end is not part of the password. Empty when there is neither. Raises ConfigError
    for a file that cannot be read or holds no password.
    """
    secret = environment or (_read_password(Path(file)) if file is not None else "")
    add_secret(secret)
    return secret


def refuse_password_in_argv(uri: str) -> None:
    """Raise UsageError when a URI of the command line holds a password: every user of the machine sees it in `ps`."""
    if _PIPELINE_PASSWORD.search(uri) or (uri.lower().startswith("gst:") and _URI_PASSWORD.search(uri)):
        raise UsageError(
            f"{redact(uri)} holds a password, which every user of this machine could read, and a pipeline takes none "
            "from elsewhere: use rtsp://USER@HOST/PATH or http://..., and set MNV2_EDGE_CAMERA_PASSWORD"
        )
    if not (_URI_PASSWORD.search(uri) or _QUERY_PASSWORD.search(uri)):
        if names_password(uri):
            raise UsageError(
                f"{redact(uri)} holds a login, which every user of this machine could read: name the camera in a "
                "configuration that only you can read (`chmod 600 FILE`), and run that with --config FILE"
            )
        return
    broker = uri.lower().startswith("mqtt")
    variable = "MNV2_EDGE_MQTT_PASSWORD" if broker else "MNV2_EDGE_CAMERA_PASSWORD"
    raise UsageError(
        f"{redact(uri)} holds a password, which every user of this machine could read: leave it out and set "
        f"{variable}, or name a file with `password_file` in the configuration"
    )


def _read_password(path: Path) -> str:
    try:
        raw = read_start(path, _LONGEST_BYTES + 1)
        secret = raw.decode()
    except OSError as exc:
        raise ConfigError(f"password file {path} cannot be read ({exc.strerror}): expected a file of one line") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"password file {path} is not UTF-8 text: expected one line") from exc
    secret = secret.removesuffix("\n").removesuffix("\r")
    if not secret or len(raw) > _LONGEST_BYTES or not secret.isprintable():
        raise ConfigError(f"password file {path} holds {len(raw)} bytes: expected one line, the password")
    return secret
