"""The configurations that a doctor looks at and their logins, as far as this user may know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.config.read import read_config
from mnv2_edge.doctor.connections.broker_login import BrokerLogin
from mnv2_edge.environment import Environment
from mnv2_edge.errors import ConfigError
from mnv2_edge.redaction import read_secret
from mnv2_edge.service.paths import ServicePaths
from mnv2_edge.sinks.broker import parse_broker
from mnv2_edge.sinks.settings import MqttSettings
from mnv2_edge.sinks.tls import tls_context

__all__ = ["Configured", "broker_logins", "instance_logins", "mqtt_settings", "read_instances"]

_ROOT_ALONE: Final = "root alone may read its password or certificate"


@dataclass(frozen=True, slots=True)
class Configured:
    """One configuration, or the reason why it is missing."""

    file: Path
    instance: str
    """Of the service; empty for a file that was named on the command line."""
    config: Config | None
    trouble: str = ""
    """Why it cannot be read; may have several lines."""
    forbidden: bool = False
    """Whether that is because this user may not."""

    @property
    def name(self) -> str:
        """Return what to call it in a line."""
        return self.instance or str(self.file)


def read_instances(root: Path) -> tuple[Configured, ...]:
    """Read the configuration of every instance of the service; raises nothing for one that is wrong."""
    paths = ServicePaths(root)
    found = []
    for name in paths.instances():
        file = paths.configuration(name)
        try:
            found.append(Configured(file, name, read_config(file)))
        except ConfigError as exc:
            found.append(Configured(file, name, None, str(exc), forbidden=_is_forbidden(exc)))
    return tuple(found)


def mqtt_settings(config: Config) -> tuple[MqttSettings, ...]:
    """Return the options of every sink of ours that talks to a broker."""
    return tuple(
        msgspec.convert(options, MqttSettings)
        for sink in config.sinks
        for name, options in sink.items()
        if SINK_SETTINGS.get(name) is MqttSettings
    )


def broker_logins(config: Config, uri: str | None, environment: Environment) -> tuple[BrokerLogin, ...]:
    """Return the brokers of the configuration, and the one at `uri`.

    Raises ConfigError for a URI that is none, and for a password or certificate file that cannot be read.
    """
    settings = [*mqtt_settings(config), *([MqttSettings(uri=uri)] if uri is not None else [])]
    return tuple(
        _login(one, one.password_file or environment.credential("mqtt-password"), environment.mqtt_password)
        for one in settings
    )


def instance_logins(configurations: Sequence[Configured], root: Path) -> tuple[BrokerLogin, ...]:
    """Return the brokers of the instances, with the passwords that systemd gives them.

    What this user may not read, or what is wrong, is told in `unknown` of a login, and not raised.
    """
    return tuple(
        _instance_login(one, configured.instance, root)
        for configured in configurations
        if configured.config is not None
        for one in mqtt_settings(configured.config)
    )


def _instance_login(settings: MqttSettings, instance: str, root: Path) -> BrokerLogin:
    credential = root / "etc/credstore" / f"mnv2-edge.{instance}.mqtt-password"
    try:
        is_there, hidden = credential.is_file(), False
    except PermissionError:  # a folder that may not be entered says nothing of what is in it
        is_there, hidden = False, True
    file = settings.password_file or (str(credential) if is_there else None)
    try:
        login = _login(settings, file, "")
    except ConfigError as exc:
        unknown = _ROOT_ALONE if _is_forbidden(exc) else str(exc)
        return BrokerLogin(parse_broker(settings.uri), instance=instance, unknown=unknown, wrong=unknown != _ROOT_ALONE)
    unknown = _ROOT_ALONE if hidden and file is None else ""
    return BrokerLogin(login.broker, login.password, login.tls, instance, unknown)


def _login(settings: MqttSettings, password_file: str | None, password: str) -> BrokerLogin:
    broker = parse_broker(settings.uri)
    tls = tls_context(settings.ca_file, settings.cert_file, settings.key_file) if broker.tls else None
    return BrokerLogin(broker, read_secret(password_file, password), tls)


def _is_forbidden(error: ConfigError) -> bool:
    return isinstance(error.__cause__, PermissionError)
