"""Keep a connection to a broker: connect, come back, last will, and a bound on what waits in the client."""

import contextlib
import logging
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

from mnv2_edge.certificate_dates import describe_dates
from mnv2_edge.errors import SinkError
from mnv2_edge.sinks.broker import Broker
from mnv2_edge.sinks.trouble import UNSUPPORTED_PROTOCOL, Delays, Trouble

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["Account", "BrokerSession"]

_log = logging.getLogger(__name__)

_IN_FLIGHT: Final = 100
"""Messages in paho's own queue, which has no bound at QoS 0; a frozen broker would fill the memory."""
_CONNECT_TIMEOUT_S: Final = 5.0
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


@dataclass(frozen=True, slots=True)
class Account:
    """As whom to connect."""

    client_id: str
    password: str
    tls: ssl.SSLContext | None
    has_certificate: bool


class BrokerSession:
    """Own one paho client. `on_change` is called on the client's thread when something happened; it must not block.

    The last will `offline` on `status_topic` is retained; publishing `online` is the owner's task, once for each value
    of `connections`.
    """

    def __init__(
        self,
        broker: Broker,
        account: Account,
        *,
        keepalive_s: int,
        status_topic: str,
        listen_to: str | None,
        on_change: Callable[[], None],
    ) -> None:
        self.connections = 0
        """Grows by one each time the broker lets this client in."""
        self.heard = 0
        """Grows by one each time `online` comes in on `listen_to`."""
        self.settled = False
        """Whether the first attempt to connect has succeeded or failed."""
        self._broker = broker
        self._account = account
        self._keepalive_s = keepalive_s
        self._status_topic = status_topic
        self._listen_to = listen_to
        self._on_change = on_change
        self._usual = Delays.usual()
        self._trouble = Trouble(
            str(broker),
            account.client_id,
            user=broker.user,
            tls=broker.tls,
            has_certificate=account.has_certificate,
        )
        self._lock = threading.Lock()
        self._handed_over = 0
        self._connected = False
        self._refused = False
        self._closing = False
        self._too_new = False
        self._ended = threading.Event()
        self._client = self._start(newest=True)

    @property
    def connected(self) -> bool:
        """Return True while the broker takes messages."""
        return self._connected

    @property
    def waiting(self) -> int:
        """Count the messages that were handed to the client and are not written to the network yet."""
        return self._handed_over

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, urgent: bool = False) -> bool:
        """Hand a message (QoS 0) to the client; return False when it has no connection, or enough to do already.

        An `urgent` one is only held back by a missing connection.
        """
        if not self._connected or (self._handed_over >= _IN_FLIGHT and not urgent):
            return False
        with self._lock:
            self._handed_over += 1
        sent = self._client.publish(topic, payload, qos=0, retain=retain)
        if sent.rc != 0:
            self._written()
        return sent.rc == 0

    def attend(self) -> None:
        """Do what the client's own thread cannot; call it whenever `on_change` was called, and now and then."""
        if self._too_new:
            self._too_new = False
            self._client.disconnect()
            _log.info("%s does not know MQTT 5: going on with MQTT 3.1.1", self._broker)
            self._client = self._start(newest=False)
        elif self._client.loop_start() == 0 and not self._closing:
            # It had ended by an exception (paho before 2.2, reason codes that it does not know): begin anew.
            self._connected = False
            self._trouble.garbled()
            self._client.connect_async(self._broker.host, self._broker.port, self._keepalive_s)

    def close(self, deadline_ns: int) -> None:
        """Say goodbye, wait until `deadline_ns` for what was handed over to be written, then cut the connection."""
        self._closing = True
        self._client.disconnect()
        if self._connected and not self._ended.wait(max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)):
            connection = cast("socket.socket | None", self._client.socket())
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self, *, newest: bool) -> "Client":
        mqtt = _import_paho()
        client: Client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=self._account.client_id,
            protocol=mqtt.MQTTv5 if newest else mqtt.MQTTv311,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        if self._broker.user or self._account.password:
            client.username_pw_set(self._broker.user, self._account.password or None)
        if self._account.tls is not None:
            client.tls_set_context(self._account.tls)
        client.will_set(self._status_topic, OFFLINE, qos=0, retain=True)
        client.on_socket_open = _send_at_once
        client.on_connect = self._when_answered
        client.on_connect_fail = self._when_unreachable
        client.on_disconnect = self._when_disconnected
        client.on_publish = self._when_written
        client.on_message = self._when_heard
        self._set_delays(client, self._usual)
        client.connect_async(self._broker.host, self._broker.port, self._keepalive_s)
        client.loop_start()
        return client

    def _when_answered(
        self, client: "Client", _data: object, _flags: "ConnectFlags", reason: "ReasonCode", _props: "Properties | None"
    ) -> None:
        if self._closing:
            client.disconnect()
        elif not reason.is_failure:
            self._set_delays(client, self._trouble.connected(time.monotonic_ns()))
            with self._lock:
                self._handed_over = 0
            self._ended.clear()
            self._connected = True
            self.connections += 1
            if self._listen_to is not None:
                client.subscribe(self._listen_to)
        elif reason.value == UNSUPPORTED_PROTOCOL:
            self._too_new = self._refused = True
        else:
            self._refused = True
            self._set_delays(client, self._trouble.refused(reason.value, str(reason)))
        self.settled = True
        self._on_change()

    def _when_unreachable(self, _client: "Client", _data: object) -> None:
        error = sys.exc_info()[1]  # paho calls this while it handles the error
        self._trouble.unreachable(error, describe_dates(error, self._account.tls, self._broker.host, self._broker.port))
        self.settled = True
        self._on_change()

    def _when_disconnected(
        self,
        client: "Client",
        _data: object,
        _flags: "DisconnectFlags",
        reason: "ReasonCode",
        _props: "Properties | None",
    ) -> None:
        was_connected, self._connected = self._connected, False
        with self._lock:
            self._handed_over = 0
        self._ended.set()
        if not self._closing:
            if was_connected:
                delays = self._trouble.lost(reason.value, str(reason), time.monotonic_ns())
                if delays is not None:
                    self._set_delays(client, delays)
            elif not self._refused:
                self._trouble.unanswered(reason.value)
                self.settled = True
            self._refused = False
        self._on_change()

    def _when_written(
        self, _client: "Client", _data: object, _mid: int, _reason: "ReasonCode", _props: "Properties"
    ) -> None:
        self._written()
        self._on_change()

    def _when_heard(self, _client: "Client", _data: object, message: "MQTTMessage") -> None:
        if message.payload == ONLINE:
            self.heard += 1
            self._on_change()

    def _written(self) -> None:
        with self._lock:
            self._handed_over = max(0, self._handed_over - 1)

    @staticmethod
    def _set_delays(client: "Client", delays: Delays) -> None:
        # Annotated as whole seconds, but only added, doubled and compared.
        client.reconnect_delay_set(delays.shortest, delays.longest)  # type: ignore[arg-type]


def _send_at_once(_client: "Client", _data: object, connection: object) -> None:
    # Nagle's algorithm would hold a second message back until the broker's delayed acknowledgement: 40 ms on Linux.
    cast("socket.socket", connection).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _import_paho() -> ModuleType:
    try:
        import paho.mqtt.client as mqtt
    except ImportError as exc:
        raise SinkError(f"paho-mqtt is not importable ({exc}): `pip install 'paho-mqtt>=2'`") from exc
    return mqtt
