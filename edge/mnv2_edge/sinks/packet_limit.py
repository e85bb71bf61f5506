"""Limit of what a broker may make this process hold: MQTT packets up to a size, and a cut connection above it."""

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties

__all__ = [
    "LARGEST_PACKET",
    "LimitedSocket",
    "PacketTooLargeError",
    "connect_properties",
    "limit_packets",
    "publish_size",
]

LARGEST_PACKET: Final = 65_536
"""Bytes. What comes in are answers of the broker and `online` of a Home Assistant: a hundred bytes, and some
properties."""
_LENGTH_BYTES: Final = 4


class PacketTooLargeError(ConnectionError):
    """A packet of the broker above the limit, which it was told."""


class _Connection(Protocol):
    def recv(self, size: int, /) -> bytes: ...


class LimitedSocket:
    """Connected socket that follows the framing of MQTT in what it receives.

    The client reads a packet's length before it reads its content, so a packet that is too large ends the connection
    while none of its content is held. Used by one thread.
    """

    def __init__(self, connection: _Connection, largest: int = LARGEST_PACKET) -> None:
        self._connection = connection
        self._largest = largest
        self._left = 0
        """Bytes of the present packet's content that have not come in yet."""
        self._in_header = False
        self._length = 0
        self._length_bytes = 0

    def recv(self, size: int, /) -> bytes:
        """Receive up to `size` bytes. Raises PacketTooLargeError, and OSError as a socket does."""
        data = self._connection.recv(size)
        position = 0
        while position < len(data):
            if self._left:
                step = min(self._left, len(data) - position)
                self._left -= step
                position += step
            else:
                self._follow(data[position])
                position += 1
        return data

    def _follow(self, byte: int) -> None:
        """Read a byte of a fixed header: the packet's type, then its length, seven bits at a time."""
        if not self._in_header:
            self._in_header, self._length, self._length_bytes = True, 0, 0
            return
        self._length |= (byte & 0x7F) << (7 * self._length_bytes)
        self._length_bytes += 1
        if self._length > self._largest:
            raise PacketTooLargeError(f"a packet of {self._length} bytes, at most {self._largest} are taken")
        if not byte & 0x80 or self._length_bytes == _LENGTH_BYTES:
            self._in_header, self._left = False, self._length

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the socket has
        return getattr(self._connection, name)


def limit_packets(kind: "type[Client]") -> "type[Client]":
    """Return the paho client with its sockets limited; paho has no setting for that.

    `on_socket_open` can look at a socket and not exchange it, so the one method that makes them is extended.
    """

    class LimitedClient(kind):  # type: ignore[misc, valid-type]
        def _create_socket(self) -> LimitedSocket:
            return LimitedSocket(super()._create_socket())

    return LimitedClient


def publish_size(topic: str, payload: bytes) -> int:
    """Return the bytes of a PUBLISH packet of QoS 0 without properties, at most."""
    return 1 + _LENGTH_BYTES + 2 + len(topic.encode()) + 1 + len(payload)


def connect_properties() -> "Properties":
    """Return the properties of a CONNECT packet of MQTT 5, which tell the broker the limit."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = LARGEST_PACKET
    return properties
