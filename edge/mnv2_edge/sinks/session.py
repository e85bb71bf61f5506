"""The connection to a broker: connect, reconnect, last will, and a bound on what waits in the client."""

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

from mnv2_edge.errors import SinkError
from mnv2_edge.host.certificate_dates import describe_dates
from mnv2_edge.sinks.broker import Broker
from mnv2_edge.sinks.confirmation import Confirmation
from mnv2_edge.sinks.connection_errors import UNSUPPORTED_PROTOCOL, ConnectionMonitor, Delays
from mnv2_edge.sinks.packet_limit import connect_properties, limit_packets, publish_size

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["BrokerAccount", "BrokerSession"]

_log = logging.getLogger(__name__)

_IN_FLIGHT: Final = 100
"""Messages on their way that the broker has not shown to have read: so many may be lost with a connection. Paho's own
queue has no bound at QoS 0, and a frozen broker would fill the memory."""
_LARGEST_OF_MQTT: Final = 268_435_455
_CONNECT_TIMEOUT_S: Final = 5.0
_PROBE_TIMEOUT_S: Final = 1.0
_KEPT_S: Final = 0.2
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """The account to connect with."""

    client_id: str
    password: str
    tls: ssl.SSLContext | None
    has_certificate: bool


class BrokerSession:
    """Owner of one paho client. `on_change` is called on the client's thread after a change; it must not block.

    The last will `offline` on `status_topic` is retained; publishing `online` is the owner's task, once for each value
    of `connections`.
    """

    def __init__(
        self,
        broker: Broker,
        account: BrokerAccount,
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
        self._newest = True
        self._trouble = ConnectionMonitor(
            str(broker),
            account.client_id,
            user=broker.user,
            tls=broker.tls,
            has_certificate=account.has_certificate,
        )
        self._confirmation = Confirmation()
        self._largest = _LARGEST_OF_MQTT
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
        """Count the messages that were handed to the client and that the broker has not shown to have read."""
        return self._confirmation.waiting

    @property
    def lost(self) -> int:
        """Count the messages that were handed to the client and may have been lost with a connection."""
        return self._confirmation.lost

    def fits(self, topic: str, payload: bytes) -> bool:
        """Return False for a message above what this broker takes, which would end the connection."""
        return publish_size(topic, payload) <= self._largest

    def announce(self, topic: str, payload: bytes) -> bool:
        """Hand a retained message to the client; return False without a connection.

        It is not held back by what is on its way, and not counted when it is lost: the owner announces it again after
        every reconnect.
        """
        return self._connected and self._client.publish(topic, payload, qos=0, retain=True).rc == 0

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message (QoS 0) to the client; return False when it has no connection, or enough to do already.

        It is counted in `lost` when the connection ends before the broker has shown that it read it.
        """
        if not self._connected or self._confirmation.waiting >= _IN_FLIGHT:
            return False
        connection = self._confirmation.hand_over()
        if self._client.publish(topic, payload, qos=0).rc != 0:
            return not self._confirmation.take_back(connection)  # what was counted as lost is not sent again
        self._ask()
        return True

    def attend(self) -> None:
        """Do what the client's own thread cannot; call it whenever `on_change` was called, and now and then."""
        self._ask()
        if self._too_new:
            self._too_new = False
            self._client.disconnect()
            _log.info("%s does not know MQTT 5: going on with MQTT 3.1.1", self._broker)
            self._client = self._start(newest=False)
        elif self._client.loop_start() == 0 and not self._closing:
            # It had ended by an exception (paho before 2.2, reason codes that it does not know): begin anew.
            self._connected = False
            self._confirmation.connection_ended()
            self._trouble.garbled()
            self._connect(self._client, newest=self._newest)

    def close(self, deadline_ns: int) -> None:
        """Send the disconnect, wait until `deadline_ns` for queued messages to be written, then cut the connection."""
        self._closing = True
        self._client.disconnect()
        if self._connected and not self._ended.wait(max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)):
            connection = cast("socket.socket | None", self._client.socket())
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._confirmation.connection_ended()

    def _start(self, *, newest: bool) -> "Client":
        mqtt = _import_paho()
        self._newest = newest
        client = limit_packets(mqtt.Client)(
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
        client.on_unsubscribe = self._when_read
        client.on_message = self._when_heard
        self._set_delays(client, self._usual)
        self._connect(client, newest=newest)
        client.loop_start()
        return client

    def _connect(self, client: "Client", *, newest: bool) -> None:
        properties = connect_properties() if newest else None
        client.connect_async(self._broker.host, self._broker.port, self._keepalive_s, properties=properties)

    def _ask(self) -> None:
        """Have the broker show that it has read what was published: by its answer to something that changes nothing."""
        if not self._connected or not self._confirmation.ask():
            return
        if self._client.unsubscribe(self._status_topic)[0] != 0:
            self._confirmation.withdraw()

    def _when_answered(
        self, client: "Client", _data: object, _flags: "ConnectFlags", reason: "ReasonCode", props: "Properties | None"
    ) -> None:
        if self._closing:
            client.disconnect()
        elif not reason.is_failure:
            self._set_delays(client, self._trouble.connected(time.monotonic_ns()))
            self._largest = getattr(props, "MaximumPacketSize", None) or _LARGEST_OF_MQTT
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

    def _when_unreachable(self, client: "Client", _data: object) -> None:
        error = sys.exc_info()[1]  # paho calls this while it handles the error
        dates = describe_dates(error, self._account.tls, self._broker.host, self._broker.port)
        self._set_delays(client, self._trouble.unreachable(error, time.monotonic_ns(), dates))
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
        self._confirmation.connection_ended()
        self._ended.set()
        if not self._closing:
            if was_connected:
                self._set_delays(
                    client, self._trouble.lost(reason.value, str(reason), time.monotonic_ns(), self._listens)
                )
            elif not self._refused:
                self._set_delays(client, self._trouble.unanswered(reason.value, time.monotonic_ns()))
                self.settled = True
            self._refused = False
        self._on_change()

    def _listens(self) -> bool:
        """Return whether the broker's port takes connections at this moment, and keeps them: a proxy may take any."""
        try:
            with socket.create_connection((self._broker.host, self._broker.port), _PROBE_TIMEOUT_S) as probe:
                probe.settimeout(_KEPT_S)
                return bool(probe.recv(1))
        except TimeoutError:
            return True  # a broker waits for the client to begin
        except OSError:
            return False

    def _when_read(
        self,
        _client: "Client",
        _data: object,
        _mid: int,
        _reasons: "list[ReasonCode]",
        _props: "Properties | None",
    ) -> None:
        self._confirmation.answered()
        self._on_change()

    def _when_heard(self, _client: "Client", _data: object, message: "MQTTMessage") -> None:
        if message.payload == ONLINE:
            self.heard += 1
            self._on_change()

    @staticmethod
    def _set_delays(client: "Client", delays: Delays | None) -> None:
        if delays is None:
            return
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
