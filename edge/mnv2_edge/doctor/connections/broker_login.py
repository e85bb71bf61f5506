"""A single login to a broker, as a separate client, and the reason if it fails."""

import secrets
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mnv2_edge.errors import SinkError
from mnv2_edge.host.certificate_dates import describe_dates
from mnv2_edge.sinks.broker import Broker

if TYPE_CHECKING:
    from types import ModuleType

    from paho.mqtt.client import Client, ConnectFlags
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["BrokerLogin", "LoginFailure", "log_in", "read_certificate"]

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """Address of a broker, and the account to log in with."""

    broker: Broker
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    instance: str = ""
    """Of the service, whose configuration names the broker."""
    unknown: str = ""
    """Why a login as that instance is not possible here; empty when all is known."""
    wrong: bool = False
    """Whether that is a fault, and not only a matter of who asks."""


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """Reason why a broker refuses the login."""

    why: str
    mend: str
    """The command to type next."""
    refused: bool = False
    """It is there and answers, and does not want this user with this password."""


def log_in(login: BrokerLogin, *, timeout_s: float = 5.0) -> LoginFailure | None:
    """Return why the broker does not let a client in; None when it does.

    The client has an id of its own, so a service that is running is not thrown off, and neither publishes nor
    subscribes. Each step may take `timeout_s`: connecting, TLS, MQTT.
    """
    if login.tls is not None:
        trouble = _shake_hands(login.broker, login.tls, timeout_s)
        if trouble is not None:
            return trouble
    return _greet(login, timeout_s)


def read_certificate(login: BrokerLogin, timeout_s: float = 5.0) -> bytes | None:
    """Return the certificate that the broker shows, in DER; None without TLS, or when it shows none that we trust."""
    if login.tls is None:
        return None
    try:
        with (
            socket.create_connection((login.broker.host, login.broker.port), timeout_s) as plain,
            login.tls.wrap_socket(plain, server_hostname=login.broker.host) as secure,
        ):
            return secure.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None


def _shake_hands(broker: Broker, tls: ssl.SSLContext, timeout_s: float) -> LoginFailure | None:
    """Try to agree on encryption; apart from the rest, because paho leaves its socket open when that fails."""
    try:
        connection = socket.create_connection((broker.host, broker.port), timeout_s)
    except (OSError, ValueError) as exc:
        return LoginFailure(f"it cannot be reached: {_reason(exc)}", _reach(broker))
    with connection:
        try:
            tls.wrap_socket(connection, server_hostname=broker.host).close()
        except OSError as exc:  # ssl.SSLError is one
            reason = _reason(exc)
            dates = describe_dates(exc, tls, broker.host, broker.port)
            if dates:
                return LoginFailure(f"no TLS with it: {dates}", "timedatectl")
            if "not yet valid" in reason:
                return LoginFailure(f"no TLS with it: {reason}, or the clock of this device is wrong", "timedatectl")
            command = f"openssl s_client -brief -connect {broker.host}:{broker.port}"
            return LoginFailure(f"no TLS with it: {reason}", command)
    return None


def _greet(login: BrokerLogin, timeout_s: float) -> LoginFailure | None:
    """Try to log in, and leave again."""
    mqtt, version = _import_paho()
    broker = login.broker
    client = mqtt.Client(version, client_id=f"mnv2-edge-doctor-{secrets.token_hex(4)}")
    client.connect_timeout = timeout_s
    if broker.user or login.password:
        client.username_pw_set(broker.user, login.password or None)
    if login.tls is not None:
        client.tls_set_context(login.tls)
    answers: list[LoginFailure | None] = []

    def answered(
        _client: "Client", _data: object, _flags: "ConnectFlags", reason: "ReasonCode", _props: "Properties | None"
    ) -> None:
        who = f"the user {broker.user!r}" if broker.user else "a client without user name"
        refusal = LoginFailure(f"it refuses {who}: {reason}", "export MNV2_EDGE_MQTT_PASSWORD=...", refused=True)
        answers.append(refusal if reason.is_failure else None)

    client.on_connect = answered
    try:
        client.connect(broker.host, broker.port, keepalive=10)
        deadline = time.monotonic() + timeout_s
        while not answers and time.monotonic() < deadline:
            if client.loop(0.2) != mqtt.MQTT_ERR_SUCCESS and not answers:
                return LoginFailure("it ended the connection without an answer", _other_way(broker))
    except (OSError, ValueError) as exc:
        return LoginFailure(f"it cannot be reached: {_reason(exc)}", _reach(broker))
    finally:
        client.disconnect()
    return answers[0] if answers else LoginFailure(f"it did not answer within {timeout_s:g} s", _reach(broker))


def _import_paho() -> "tuple[ModuleType, CallbackAPIVersion]":
    try:
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as exc:
        raise SinkError(f"paho-mqtt is not importable ({exc}): `pip install 'paho-mqtt>=2'`") from exc
    return mqtt, CallbackAPIVersion.VERSION2


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):  # whose words are Python's: `_ssl.c:989: The handshake operation timed out`
        return "no answer"
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "verify_message", "") or error.reason or error)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _other_way(broker: Broker) -> str:
    """Return how to try with TLS instead of without, or the other way round."""
    return f"mnv2-edge doctor --mqtt {'mqtt' if broker.tls else 'mqtts'}://{broker.host}:{broker.port}"


def _reach(broker: Broker) -> str:
    if broker.host in _LOCAL:
        return "sudo apt install mosquitto && sudo systemctl enable --now mosquitto"
    return f"mosquitto_sub -d -h {broker.host} -p {broker.port} -t test -W 5"
