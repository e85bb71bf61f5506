"""Values that must not be in a report: secrets of configurations, and names of this device."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.report.scrub import NAMED_SECRET, Scrubber, is_public
from mnv2_edge.doctor.service.configured import mqtt_settings, read_instances
from mnv2_edge.host.files import list_files, read_text
from mnv2_edge.host.identity import read_identity
from mnv2_edge.plugins import Plugin
from mnv2_engines.errors import DiskError
from mnv2_engines.files.regular_file import read_start

__all__ = ["SECRET_VARIABLE", "foreign_schemes", "lines_of", "make_scrubber", "unit_secrets"]

SECRET_VARIABLE: Final = re.compile(r"PASS|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)
"""Names of variables whose values are private."""
_LONGEST_BYTES: Final = 64 * 1024


def unit_secrets(root: Path) -> Iterator[str]:
    """Return what is in credentials and in the settings of systemd.exec(5) that name or hold some."""
    for folder, pattern in (("etc/credstore", "mnv2-edge.*"), ("run/credentials", "mnv2-edge*/*")):
        for file in list_files(root / folder, pattern):
            yield from lines_of(file)
    for place in ("etc", "run"):
        for file in list_files(root / place / "systemd/system", "mnv2-edge*.service.d/*.conf"):
            for line in read_text(file).splitlines():
                yield from _secrets_of_setting(*line.partition("=")[::2])


def lines_of(file: Path) -> Iterator[str]:
    """Return what a file with a secret holds: all of it, and each line, as a private key has many."""
    with suppress(OSError, DiskError):
        text = read_start(file, _LONGEST_BYTES).decode("utf-8", "replace")
        yield text.strip("\r\n")
        yield from (line for line in text.splitlines() if not line.startswith("-----"))


def _secrets_of_setting(name: str, value: str) -> Iterator[str]:
    if name.strip() == "Environment":
        with suppress(ValueError):  # of a quote that is not closed
            pairs = (word.partition("=") for word in shlex.split(value))
            yield from (secret for variable, _, secret in pairs if SECRET_VARIABLE.search(variable))
    elif name.strip() == "SetCredential":
        yield value.partition(":")[2]
    elif name.strip() == "LoadCredential" and value.partition(":")[2].startswith("/"):
        yield from lines_of(Path(value.partition(":")[2]))


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
_PI_SERIAL: Final = 16
_SOURCES: Final = "mnv2_edge.sources"
_PLUGIN_SHORTEST: Final = 6
"""A shorter option of a plug-in is more likely a word like `fast` than a secret."""


def make_scrubber(machine: Machine, variables: Mapping[str, str]) -> Scrubber:
    """Return what hides all that can be found out here; `variables` are the environment's."""
    secrets = {value for name, value in variables.items() if SECRET_VARIABLE.search(name)}
    secrets |= {login.password for login in machine.brokers}
    secrets |= {f"{login.broker.user}:{login.password}" for login in machine.brokers if login.password}  # in base64
    names = {login.broker.user for login in machine.brokers}
    named = {configured.file: configured for configured in (*read_instances(machine.root), *machine.configurations)}
    for configured in named.values():
        if configured.config is None:
            found = _secrets_of_wrong(read_text(configured.file))
        else:
            found = _secrets_of(configured.config, foreign_schemes(machine.plugins))
            names |= {user for uri in _uris(configured.config) for user in _users(uri)}
        secrets |= set(found)
    secrets |= set(unit_secrets(machine.root))
    secrets |= set(_serial_numbers(machine))
    names |= set(_names(machine.root, variables))
    return Scrubber(secrets, names - _COMMON_USERS, set(machine.distributions.values()))


def _uris(config: Config) -> Iterator[str]:
    yield from (camera.uri for camera in config.cameras)
    yield from (settings.uri for settings in mqtt_settings(config))


def foreign_schemes(plugins: Sequence[Plugin]) -> frozenset[str]:
    """Return the schemes of URIs that plug-ins understand: their parts are not known here."""
    return frozenset(
        one.name for one in plugins if one.group == _SOURCES and not one.distribution.startswith("mnv2-edge ")
    )


def _secrets_of(config: Config, foreign: Collection[str]) -> Iterator[str]:
    for uri in _uris(config):
        scheme, _, rest = uri.partition(":")
        if scheme in foreign:
            yield from _words(rest)
        yield from _secrets_of_uri(uri)
        yield from _secrets_in(uri)  # a pipeline of GStreamer's holds others, and `user-pw=...`
    cameras = [camera.password_file for camera in config.cameras]
    brokers = [file for settings in mqtt_settings(config) for file in (settings.password_file, settings.key_file)]
    for file in (*cameras, *brokers):
        yield from lines_of(Path(file)) if file else ()
    for sink in config.sinks:
        for name, options in sink.items():
            if name not in SINK_SETTINGS:
                yield from _words(options)


def _secrets_in(text: str) -> Iterator[str]:
    """Return what looks like secrets in a text, such as a file that is not a configuration: messages may quote it."""
    yield from (match["value"].strip("\"'") for match in NAMED_SECRET.finditer(text))
    for match in _URI.finditer(text):
        yield from _secrets_of_uri(match[0])


def _secrets_of_wrong(text: str) -> Iterator[str]:
    """Return what looks like secrets in a configuration that cannot be read, by its YAML too if it is some."""
    yield from _secrets_in(text)
    with suppress(yaml.YAMLError, RecursionError):
        yield from _secrets_below(yaml.BaseLoader(text).get_single_data())  # every scalar is a text to it


def _secrets_below(document: object) -> Iterator[str]:
    """Return every text below a name like `password`, and the longer ones of sinks that are not ours."""
    pending: list[tuple[object, int | None]] = [(document, None)]
    seen = set()
    while pending:
        value, shortest = pending.pop()
        if isinstance(value, str):
            if shortest is not None and len(value) >= shortest:
                yield from (value, *value.splitlines())
        elif (id(value), shortest) not in seen:  # an alias may stand for the same a million times
            seen.add((id(value), shortest))
            if isinstance(value, Mapping):
                pending += [(one, 1 if NAMED_SECRET.match(f"{name}: x") else shortest) for name, one in value.items()]
                pending += [(options, _PLUGIN_SHORTEST) for options in _foreign_options(value.get("sinks"))]
            elif isinstance(value, list):
                pending += [(one, shortest) for one in value]


def _foreign_options(sinks: object) -> list[object]:
    found = [sink for sink in sinks if isinstance(sink, Mapping)] if isinstance(sinks, list) else []
    return [options for sink in found for name, options in sink.items() if name not in SINK_SETTINGS]


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
    """Return every text among the options of a plug-in: their meaning is not known here."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _words(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _words(one)
    elif not isinstance(value, bool) and len(str(value)) >= _PLUGIN_SHORTEST:
        yield str(value)


def _serial_numbers(machine: Machine) -> Iterator[str]:
    root = machine.root
    for name in _SERIAL_FILES:
        serial = read_text(root / name)
        yield serial
        if "device" in name and len(serial) == _PI_SERIAL:
            yield serial[-8:]  # which is all that the kernel's command line has of it
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
    for file in root.glob("sys/class/net/*/address"):
        yield from (read_text(file), read_text(file).replace(":", ""))
    yield from (variables.get("SUDO_USER", ""), variables.get("USER", ""))
