"""A web server for files that can break off, lie, dawdle and ask to be left alone, as servers on the network do."""

import contextlib
import hashlib
import http.server
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Answer = Callable[["http.server.BaseHTTPRequestHandler"], None]


@dataclass
class Asked:
    """One request, as the server saw it."""

    path: str
    range: str | None
    if_range: str | None


@dataclass
class FileServer:
    """Serve `files` by path, with Range and ETags; `script` holds what to do with the next requests instead."""

    files: dict[str, bytes] = field(default_factory=dict)
    script: list[Answer] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end, so that requests that stall end too."""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        headers = handler.headers
        self.requests.append(Asked(handler.path, headers.get("Range"), headers.get("If-Range")))
        if self.script:
            self.script.pop(0)(handler)
            return
        content = self.files.get(handler.path.lstrip("/"))
        if content is None:
            send(handler, 404, b"not here")
            return
        tag = etag(content)
        wanted = headers.get("Range")
        if wanted and headers.get("If-Range") in (None, tag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                send(handler, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            said = {"ETag": tag, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            send(handler, 206, content[start:], said)
            return
        send(handler, 200, content, {"ETag": tag})

    # What `script` may hold.

    def broken_after(self, count: int, path: str | None = None, **more: str) -> Answer:
        """Say the whole length, send `count` bytes and cut the line."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            content = self.files[(path or handler.path).lstrip("/")]
            said = {"Content-Length": str(len(content)), "ETag": etag(content), **more}
            send(handler, 200, content[:count], {name: value for name, value in said.items() if value})
            cut(handler)

        return answer

    def stalled_after(self, count: int) -> Answer:
        """Say the whole length, send `count` bytes and then nothing."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            content = self.files[handler.path.lstrip("/")]
            send(handler, 200, content[:count], {"Content-Length": str(len(content)), "ETag": etag(content)})
            self.released.wait(30)

        return answer

    def status(self, code: int, **headers: str) -> Answer:
        """Answer with a status and nothing else."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda handler: send(handler, code, b"", said)

    def content(self, content: bytes, code: int = 200, **headers: str) -> Answer:
        """Answer with other bytes, whatever was asked for."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda handler: send(handler, code, content, said)


def etag(content: bytes) -> str:
    """Return a strong validator."""
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def send(
    handler: http.server.BaseHTTPRequestHandler, code: int, content: bytes, headers: dict[str, str] | None = None
) -> None:
    """Write an answer; Content-Length is that of `content` unless the headers say something else."""
    said = {"Content-Length": str(len(content)), "Content-Type": "application/octet-stream", **(headers or {})}
    handler.send_response(code)
    for name, value in said.items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(content)
        handler.wfile.flush()


def cut(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Close the connection in the middle of it all."""
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def file_server(**files: bytes) -> Iterator[FileServer]:
    """Run a server on a free port until the end of the `with`."""
    served = FileServer(dict(files))

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            served.answer(self)

        def log_message(self, *args: object) -> None:
            return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            return  # clients leave as they like

    with Server(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            served.released.set()
            server.shutdown()
            thread.join(5)
