"""A proxy before a broker that notes every PUBLISH packet that it has read whole and passed on."""

import contextlib
import select
import socket
import threading


class PublishProxy:
    """Pass bytes both ways. What the client has sent counts as read once the packet is complete and with the broker."""

    def __init__(self, broker_port: int) -> None:
        self.read: list[tuple[str, bytes]] = []
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                with client, socket.create_connection(("127.0.0.1", self._broker_port), 5) as broker:
                    self._pass_on(client, broker)

    def _pass_on(self, client: socket.socket, broker: socket.socket) -> None:
        left = b""
        while not self._closed:
            ready = select.select([client, broker], [], [], 0.1)[0]
            if broker in ready:
                data = broker.recv(65536)
                if not data:
                    return
                client.sendall(data)
            if client in ready:
                data = client.recv(65536)
                if not data:
                    return
                broker.sendall(data)
                left = self._note(left + data)

    def _note(self, data: bytes) -> bytes:
        """Note the whole packets at the beginning; return the rest."""
        while True:
            length, shift, at = 0, 0, 1
            while at < len(data):
                length |= (data[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if not data[at - 1] & 0x80:
                    break
            else:
                return data
            if len(data) < at + length:
                return data
            packet, data = data[: at + length], data[at + length :]
            if packet[0] & 0xF0 == 0x30:
                size = int.from_bytes(packet[at : at + 2], "big")
                end = at + 2 + size
                self.read.append((packet[at + 2 : end].decode(), packet[end + 1 :]))  # no properties: a zero byte
