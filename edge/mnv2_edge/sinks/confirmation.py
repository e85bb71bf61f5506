"""Proof that a broker has read messages of QoS 0, although it acknowledges none of them."""

import threading

__all__ = ["Confirmation"]


class Confirmation:
    """Count of messages from the moment they are handed over until the broker has shown that it read them.

    A broker reads the packets of one connection in order. So its answer to any question proves that it has read every
    message before that question. One question is on its way at a time. A message that was handed over and is not
    proven when the connection ends may be lost and counts as such: the count is never too low, and too high by what the
    broker has read within one round trip.

    One thread hands over and asks; answers and the end of a connection may come on another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handed_over = 0
        self._proven = 0
        self._asked: int | None = None
        self._connection = 0
        self._lost = 0

    @property
    def waiting(self) -> int:
        """Count the messages of the present connection that the broker has not shown to have read."""
        return self._handed_over - self._proven

    @property
    def lost(self) -> int:
        """Count the messages that may have been lost with a connection."""
        return self._lost

    def hand_over(self) -> int:
        """Count a message before it is handed over; return the number of the connection."""
        with self._lock:
            self._handed_over += 1
            return self._connection

    def take_back(self, connection: int) -> bool:
        """Say that the message just counted was not taken; return False when it was counted as lost meanwhile."""
        with self._lock:
            if connection != self._connection:
                return False
            self._handed_over -= 1
            return True

    def ask(self) -> bool:
        """Return True when a question is to be put now: call `withdraw` if that fails."""
        with self._lock:
            if self._asked is not None or self._handed_over == self._proven:
                return False
            self._asked = self._handed_over
            return True

    def withdraw(self) -> None:
        """Say that the question could not be put."""
        with self._lock:
            self._asked = None

    def answered(self) -> None:
        """Take note that the broker has answered the question."""
        with self._lock:
            if self._asked is not None:
                self._proven, self._asked = self._asked, None

    def connection_ended(self) -> None:
        """Count what was not proven as lost, and begin anew."""
        with self._lock:
            self._lost += self._handed_over - self._proven
            self._handed_over = self._proven = 0
            self._asked = None
            self._connection += 1
