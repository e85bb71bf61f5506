"""A motion JPEG server that can be killed, frozen and started again at the same port."""

import base64
import contextlib
import hashlib
import http.server
import re
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np


def picture(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a JPEG whose grey is the number."""
    pixels = np.full((size[1], size[0], 3), number % 256, np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


class MjpegServer:
    """Serve pictures at `fps` from a thread each client; `freeze` keeps connections open and sends nothing."""

    def __init__(
        self,
        *,
        fps: float = 100,
        lengths: bool = True,
        login: str = "",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        protocol: str = "HTTP/1.0",
    ) -> None:
        self.fps = fps
        self.lengths = lengths
        self.login = login
        self.digest: tuple[str, str] | None = None
        self.protocol = protocol
        self.size = (64, 48)
        self.requests: list[str] = []
        self.kind = "multipart/x-mixed-replace; boundary=frame"
        self.pictures: Iterator[bytes] | None = None
        self._frozen = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._port = port
        self._tls = tls
        self.start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._port}/stream" if self._tls else f"http://127.0.0.1:{self._port}/stream"

    def start(self) -> None:
        """Listen again at the port of before."""
        self._frozen.clear()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            disable_nagle_algorithm = True
            protocol_version = owner.protocol

            def do_GET(self) -> None:
                owner.serve(self)

            def log_message(self, *args: object) -> None:
                return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *args: object) -> None:
                return  # clients leave as they like

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        if self.digest and not self._knows_digest(handler):
            return self._refuse(handler, 'Digest realm="camera", nonce="4711", qop="auth", algorithm=MD5')
        wanted = "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.login and handler.headers.get("Authorization") != wanted:
            return self._refuse(handler, 'Basic realm="camera"')
        handler.send_response(200)
        handler.send_header("Content-Type", self.kind)
        handler.end_headers()
        self._sockets.add(handler.connection)
        try:
            for number, jpeg in enumerate(self.pictures or (picture(n, self.size) for n in range(10**9))):
                while self._frozen.is_set():
                    time.sleep(0.01)
                length = f"Content-Length: {len(jpeg)}\r\n" if self.lengths else ""
                head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}X-Number: {number}\r\n\r\n"
                handler.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(1 / self.fps)
        except OSError:
            return None
        finally:
            self._sockets.discard(handler.connection)

    @staticmethod
    def _refuse(handler: http.server.BaseHTTPRequestHandler, challenge: str) -> None:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", challenge)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _knows_digest(self, handler: http.server.BaseHTTPRequestHandler) -> bool:
        """Work the answer out as RFC 2617, section 3.2.2 has it."""
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', handler.headers.get("Authorization", "")))
        if not given:
            return False

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        user, password = self.digest
        return given["response"] == md5(
            md5(user, "camera", password), "4711", given["nc"], given["cnonce"], "auth", md5("GET", handler.path)
        )

    def freeze(self) -> None:
        self._frozen.set()

    def kill(self) -> None:
        """Stop listening and cut every connection, as the kernel does for a process that is killed."""
        self._server.shutdown()
        self._server.server_close()
        self._frozen.clear()
        for connection in tuple(self._sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
