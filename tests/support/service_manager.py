"""The end of $NOTIFY_SOCKET that systemd holds, and the fields that arrive at it."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

Message = dict[str, str]


class ServiceManager:
    """Listen as systemd does; whoever opens it closes it."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.messages: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(0)

    def close(self) -> None:
        self._socket.close()

    def read(self) -> list[Message]:
        """Take in what has arrived; return all messages since the beginning."""
        while True:
            try:
                text = self._socket.recv(65536).decode()
            except BlockingIOError:
                return self.messages
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait_for(self, met: Callable[[Message], bool], *, after: int = 0, timeout_s: float = 20.0) -> int:
        """Wait for a message that meets a condition, the first `after` not counted; return its place."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for place, message in enumerate(self.read()):
                if place >= after and met(message):
                    return place
            time.sleep(0.02)
        raise AssertionError(f"no such message among {self.messages[after:]}")
