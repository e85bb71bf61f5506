"""Names of this device: in topics, to a broker, and for people."""

import hashlib
import hmac
import logging
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_edge.errors import ConfigError
from mnv2_engines.files.regular_file import read_start

__all__ = ["Identity", "client_id_of", "read_identity", "topic_safe"]

_log = logging.getLogger(__name__)

_SERIALS: Final = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")
_MACHINE_IDS: Final = ("etc/machine-id", "var/lib/dbus/machine-id")
_HOSTNAME: Final = "proc/sys/kernel/hostname"
_APPLICATION: Final = bytes.fromhex("6d1f0c6f3a5b4c0e9a4be2d7c85f1a93")  # ours alone, for machine-id(5)'s recipe
_MACHINE_DIGITS: Final = 12
_LONGEST: Final = 64
_UNSAFE: Final = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of this runtime."""

    device_id: str
    """In records and topics: lower-case letters, digits, `-`, `_`; with the instance when there is one."""
    device_name: str
    """For people."""
    instance: str
    """Tells several runtimes on one device apart; empty for the only one."""


def client_id_of(device_id: str) -> str:
    """Return the MQTT client id of a device; no two clients of one broker may have the same."""
    return f"mnv2-edge-{device_id}"


def read_identity(*, name: str | None = None, instance: str = "", root: Path = Path("/")) -> Identity:
    """Find out who this device is: `name` when given, else the board's serial number, else one derived of machine-id.

    machine-id(5) is confidential and never published: like systemd's `sd_id128_get_machine_app_specific` only a keyed
    hash of it is. A Pi and a Jetson have a serial number, a PC has none. `root` is where /proc, /sys and /etc are, for
    tests. Raises ConfigError for a name or instance that has no letter or digit.
    """
    hostname = _read(root / _HOSTNAME)
    device_id = topic_safe(name, "device name") if name else _board_serial(root) or _machine(root)
    if not device_id:
        device_id = topic_safe(hostname or "device", "host name")
        _log.warning(
            "this machine has neither serial number nor machine-id: it is called %r; see --device-name", device_id
        )
    if instance:
        device_id = f"{device_id}-{topic_safe(instance, 'instance')}"
    return Identity(device_id, _for_people(name or hostname or device_id, instance), instance)


def topic_safe(text: str, what: str) -> str:
    """Turn a name into what may stand in a topic and a client id: no space, `/`, `+`, `#`, no accents, lower case.

    Raises ConfigError when nothing is left; `what` names it in the message.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    safe = _UNSAFE.sub("-", plain).strip("-")[:_LONGEST]
    if not safe:
        raise ConfigError(f"{what} {text!r} has no letter or digit that a topic may hold: expected e.g. `porch-cam`")
    return safe


def _for_people(name: str, instance: str) -> str:
    return f"{name} ({instance})" if instance else name


def _board_serial(root: Path) -> str:
    for place in _SERIALS:
        serial = _read(root / place).lower()
        if serial.isalnum() and serial.isascii() and set(serial) != {"0"}:
            return serial[:_LONGEST]
    return ""


def _machine(root: Path) -> str:
    for place in _MACHINE_IDS:
        text = _read(root / place)
        if re.fullmatch("[0-9a-fA-F]{32}", text):
            return hmac.new(bytes.fromhex(text), _APPLICATION, hashlib.sha256).hexdigest()[:_MACHINE_DIGITS]
    return ""


def _read(path: Path) -> str:
    """Return the text of a small file of the kernel's; device tree strings end in a NUL."""
    try:
        return read_start(path, 256).decode("utf-8", "replace").strip("\0 \n\t")
    except OSError:
        return ""
