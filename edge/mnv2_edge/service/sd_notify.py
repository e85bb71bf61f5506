"""Messages to the service manager that started this process, as in sd_notify(3): lines of text to a socket."""

import logging
import socket
from typing import Final

__all__ = ["Notifier"]

_log = logging.getLogger(__name__)
_LONGEST: Final = 480
"""Characters of a value; systemd shows a status in one line of a terminal."""


class Notifier:
    """Sender to the socket that $NOTIFY_SOCKET names; silent without one, as in a terminal.

    Nothing here waits or raises: a manager that does not read must not hold up a camera.
    """

    def __init__(self, address: str = "") -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # @: the abstract namespace
        self._socket = None
        if self._address.startswith(("/", "\0")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(0)
        self._told = False

    @property
    def listens(self) -> bool:
        """Return True when a service manager wants to hear of this process."""
        return self._socket is not None

    def send(self, **fields: str | int) -> bool:
        """Send fields in one message, as in ``send(READY=1, STATUS="all is well")``; return whether it went out.

        A value becomes one line of printable characters, since a line break would begin a field of its own and labels
        come out of files.
        """
        if self._socket is None:
            return False
        message = "\n".join(f"{name}={_one_line(str(value))}" for name, value in fields.items())
        try:
            self._socket.sendto(message.encode(errors="replace"), self._address)
        except OSError as exc:  # full, or gone
            level, self._told = (logging.DEBUG if self._told else logging.WARNING), True
            _log.log(level, "the service manager cannot be told how this run gets on: %s", exc.strerror or exc)
            return False
        return True

    def close(self) -> None:
        """Send nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST]
