"""Find out what has to stay out of a report by its value: secrets of configurations, and what names this device."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from mnv2_edge.board.files import read_text
from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.configured import mqtt_settings, read_instances
from mnv2_edge.doctor.report.scrub import NAMED_SECRET, Scrubber, is_public
from mnv2_edge.identity import read_identity

__all__ = ["make_scrubber"]

_SECRET_VARIABLE: Final = re.compile(r"PASS|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)
_URI: Final = re.compile(r"\b[a-z][a-z0-9+.-]{0,30}://[^\s'\"]+", re.IGNORECASE)
_SSID: Final = re.compile(r"^\s*ssid\s*=\s*\"?(?P<name>[^\"\n]+?)\"?\s*$", re.MULTILINE)
_CPU_SERIAL: Final = re.compile(r"^Serial\s*:\s*(?P<serial>\w+)", re.MULTILINE)
_SERIAL_FILES: Final = (
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "proc/device-tree/serial-number",
    "sys/firmware/devicetree/base/serial-number",
    "sys/devices/virtual/dmi/id/product_serial",
    "sys/devices/virtual/dmi/id/product_uuid",
    "sys/devices/virtual/dmi/id/board_serial",
    "proc/sys/kernel/random/boot_id",
)
_WIFI: Final = (
    "etc/NetworkManager/system-connections/*",
    "etc/wpa_supplicant/*.conf",
    "run/NetworkManager/system-connections/*",
)
_COMMON_HOSTS: Final = frozenset({"raspberrypi", "ubuntu", "debian", "jetson", "localhost", "nvidia"})
"""Names of millions of devices, and of kernel drivers."""
_COMMON_USERS: Final = frozenset({"", "root", "pi", "ubuntu", "mnv2-edge", "mqtt", "camera"})
_LONGEST_BYTES: Final = 64 * 1024
_PLUGIN_SHORTEST: Final = 6
"""A shorter option of a plug-in is more likely a word like `fast` than a secret."""


def make_scrubber(machine: Machine, variables: Mapping[str, str]) -> Scrubber:
    """Return what hides all that can be found out here; `variables` are the environment's."""
    secrets = {value for name, value in variables.items() if _SECRET_VARIABLE.search(name)}
    secrets |= {login.password for login in machine.brokers}
    names = {login.broker.user for login in machine.brokers}
    named = {configured.file: configured for configured in (*read_instances(machine.root), *machine.configurations)}
    for configured in named.values():
        if configured.config is None:
            found = _secrets_in(read_text(configured.file))
        else:
            found = _secrets_of(configured.config)
            names |= {user for uri in _uris(configured.config) for user in _users(uri)}
        secrets |= set(found)
    for file in (machine.root / "etc/credstore").glob("mnv2-edge.*"):
        secrets |= set(_lines(file))
    for file in (machine.root / "etc/systemd/system").glob("mnv2-edge*.service.d/*.conf"):
        secrets |= set(_secrets_in(read_text(file)))
    secrets |= set(_serial_numbers(machine))
    names |= set(_names(machine.root, variables))
    return Scrubber(secrets, names - _COMMON_USERS, set(machine.distributions.values()))


def _uris(config: Config) -> Iterator[str]:
    yield from (camera.uri for camera in config.cameras)
    yield from (settings.uri for settings in mqtt_settings(config))


def _secrets_of(config: Config) -> Iterator[str]:
    for uri in _uris(config):
        yield from _secrets_of_uri(uri)
        yield from _secrets_in(uri)  # a pipeline of GStreamer's holds others, and `user-pw=...`
    cameras = [camera.password_file for camera in config.cameras]
    brokers = [file for settings in mqtt_settings(config) for file in (settings.password_file, settings.key_file)]
    for file in (*cameras, *brokers):
        yield from _lines(Path(file)) if file else ()
    for sink in config.sinks:
        for name, options in sink.items():
            if name not in SINK_SETTINGS:
                yield from _words(options)


def _secrets_in(text: str) -> Iterator[str]:
    """Return what looks like secrets in a text: a file that is no configuration, for one, which messages may quote."""
    yield from (match["value"].strip("\"'") for match in NAMED_SECRET.finditer(text))
    for match in _URI.finditer(text):
        yield from _secrets_of_uri(match[0])


def _secrets_of_uri(uri: str) -> Iterator[str]:
    """Return passwords, names of hosts that are not of one's own network, and what a query says."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return
    user, _, _ = parts.netloc.rpartition("@")
    password = user.partition(":")[2]
    yield from (password, unquote(password))
    if is_public(host):
        yield host
    if parts.netloc:  # `picamera:0?size=640x480` holds no secret
        yield from (value for _, value in parse_qsl(parts.query))


def _users(text: str) -> Iterator[str]:
    """Return the users of all URIs in a text: names, which may be words like `admin`, and no secrets."""
    for match in _URI.finditer(text):
        user, at, _ = match[0].partition("://")[2].rpartition("@")
        if at:
            name = user.partition(":")[0]
            yield from (name, unquote(name))


def _words(value: object) -> Iterator[str]:
    """Return every text among the options of a plug-in: what they mean is known to nobody here."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _words(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _words(one)
    elif not isinstance(value, bool) and len(str(value)) >= _PLUGIN_SHORTEST:
        yield str(value)


def _lines(file: Path) -> Iterator[str]:
    """Return what a file with a secret holds: all of it, and each line, as a private key has many."""
    with suppress(OSError), file.open("rb") as opened:
        text = opened.read(_LONGEST_BYTES).decode("utf-8", "replace")
        yield text.strip("\r\n")
        yield from (line for line in text.splitlines() if not line.startswith("-----"))


def _serial_numbers(machine: Machine) -> Iterator[str]:
    root = machine.root
    yield from (read_text(root / name) for name in _SERIAL_FILES)
    yield from (match["serial"] for match in _CPU_SERIAL.finditer(read_text(root / "proc/cpuinfo")))
    for name in ("serial", "cid", "csd"):
        yield from (read_text(file).removeprefix("0x") for file in root.glob(f"sys/block/*/device/{name}"))
    with suppress(OSError):  # of a driver that does not answer
        yield from [camera.node.serial for camera in machine.list_cameras()]
    for pattern in _WIFI:
        for file in root.glob(pattern):
            yield from (match["name"] for match in _SSID.finditer(read_text(file)))
    if re.fullmatch("[0-9a-f]{32}", read_text(root / "etc/machine-id")):  # of which a device's name may be made
        yield read_identity(root=root).device_id


def _names(root: Path, variables: Mapping[str, str]) -> Iterator[str]:
    host = read_text(root / "proc/sys/kernel/hostname")
    if host.lower() not in _COMMON_HOSTS:
        yield host
    yield from (read_text(file) for file in root.glob("sys/class/net/*/address"))
    yield from (variables.get("SUDO_USER", ""), variables.get("USER", ""))
