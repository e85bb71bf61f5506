"""Look around on the machine that this runs on."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from mnv2_edge.config.model import SINK_SETTINGS, Config
from mnv2_edge.devices import list_cameras
from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.login import BrokerLogin, log_in
from mnv2_edge.doctor.probe import run_command, run_python
from mnv2_edge.environment import Environment
from mnv2_edge.plugins import installed_plugins
from mnv2_edge.redaction import read_secret
from mnv2_edge.sinks.broker import parse_broker
from mnv2_edge.sinks.settings import MqttSettings
from mnv2_edge.sinks.tls import tls_context
from mnv2_engines.demo import demo_engine_path

__all__ = ["broker_logins", "this_machine"]


def this_machine(brokers: Sequence[BrokerLogin], home: Path) -> Machine:
    """Return the machine as it is; nothing is imported or opened before a check asks for it. `home` holds the store."""
    return Machine(
        python=sys.version_info[:3],
        distributions=_distributions(),
        requirements=_requirements(),
        plugins=installed_plugins(),
        engine=demo_engine_path(),
        home=home,
        run_python=run_python,
        run_command=run_command,
        root=Path("/"),
        list_cameras=list_cameras,
        may_open=lambda path: os.access(path, os.R_OK | os.W_OK),
        brokers=brokers,
        log_in=log_in,
    )


def broker_logins(config: Config, uri: str | None, environment: Environment) -> tuple[BrokerLogin, ...]:
    """Return the brokers of the configuration, and the one at `uri`.

    Raises ConfigError for a URI that is none, and for a password or certificate file that cannot be read.
    """
    settings = [
        msgspec.convert(options, MqttSettings)
        for sink in config.sinks
        for name, options in sink.items()
        if SINK_SETTINGS.get(name) is MqttSettings
    ]
    if uri is not None:
        settings.append(MqttSettings(uri=uri))
    logins = []
    for one in settings:
        broker = parse_broker(one.uri)
        tls = tls_context(one.ca_file, one.cert_file, one.key_file) if broker.tls else None
        file = one.password_file or environment.credential("mqtt-password")
        logins.append(BrokerLogin(broker, read_secret(file, environment.mqtt_password), tls))
    return tuple(logins)


def _distributions() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # a broken installation leaves folders without one
            found.setdefault(name.lower().replace("_", "-"), distribution.version)
    return found


def _requirements() -> tuple[str, ...]:
    try:
        return tuple(metadata.requires("mnv2-edge") or ())
    except metadata.PackageNotFoundError:
        return ()
