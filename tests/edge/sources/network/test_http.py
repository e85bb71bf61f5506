"""A camera that has hung up before its first pictures were read."""

import socket
import threading

import pytest

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.open import open_source
from support.mjpeg_server import picture

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


def answer_and_hang_up(listening, answer):
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)


def test_the_newest_picture_is_given_and_then_the_stream_has_ended():
    parts = [b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture(grey) + b"\r\n" for grey in (30, 60, 90)]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=answer_and_hang_up, args=(listening, HEAD + b"".join(parts) + b"--frame\r\n"))
        server.start()
        source = open_source(f"http://127.0.0.1:{listening.getsockname()[1]}/", camera_id="door")
        server.join(10)
        frames = iter(source)
        assert abs(int(next(frames).pixels.mean()) - 90) < 3
        with pytest.raises(SourceError, match="ended the stream"):
            next(frames)
        source.close()
