"""An RTSP camera that names its stream in an encoding of its own."""

import contextlib
import re
import socket
import threading

import pytest

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.system_libraries import import_av

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=\xffEntr\xe9e\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    b"a=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)
MORE = {
    b"DESCRIBE": b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(SDP), SDP),
    b"SETUP": b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
    b"PLAY": b"Session: 1\r\n\r\n",
}


def serve(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        while asked := connection.recv(65536):
            number = re.search(rb"CSeq: (\d+)", asked)
            assert number is not None
            verb = asked.split()[0]
            connection.sendall(b"RTSP/1.0 200 OK\r\nCSeq: " + number[1] + b"\r\n" + MORE.get(verb, b"\r\n"))
            if verb == b"PLAY":
                return


def test_a_name_that_is_not_utf_8_is_no_bug_of_ours() -> None:
    import_av()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=(listening,))
        server.start()
        url = f"rtsp://127.0.0.1:{listening.getsockname()[1]}/stream?library=pyav"
        with pytest.raises(SourceError, match=r"rtsp://.* (ended|stopped|cannot be opened|has no)"):
            open_source(url, camera_id="door")
        server.join(10)
