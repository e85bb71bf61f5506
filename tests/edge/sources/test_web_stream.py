"""A camera whose answer is over after its first picture."""

import pytest

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.address import split_address
from mnv2_edge.sources.mjpeg import MjpegSource
from support.mjpeg_server import picture
from support.raw_server import RawServer


def test_an_answer_of_one_picture_gives_it_and_then_has_ended():
    part = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture(90) + b"\r\n--frame\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
    server = RawServer(lambda: [head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(part) + part])
    try:
        source = MjpegSource(split_address(server.url, ""), "door", trust=None, silence_s=5)
        frames = iter(source)
        assert abs(int(next(frames).pixels.mean()) - 90) < 3
        with pytest.raises(SourceError, match="ended the stream"):
            next(frames)
        source.close()
    finally:
        server.close()
