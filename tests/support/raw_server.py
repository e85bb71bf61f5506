"""Answer each connection with bytes that a test thought up, as no library would send them."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable


class RawServer:
    """Accept on 127.0.0.1 until closed; `answer` gives what is sent after the request, piece by piece."""

    def __init__(self, answer: Callable[[], Iterable[bytes]]) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._closing = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/stream"

    def close(self) -> None:
        self._closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listening.close()

    def drip(self, data: bytes, every_s: float = 0.05) -> Iterable[bytes]:
        """Give a byte at a time, until closed."""
        for number in range(len(data)):
            if self._closing.wait(every_s):
                return
            yield data[number : number + 1]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the other end left
            connection.settimeout(5)
            self.requests.append(connection.recv(65536))
            for piece in self._answer():
                connection.sendall(piece)
                if self._closing.is_set():
                    return
            while not self._closing.is_set():
                time.sleep(0.01)
