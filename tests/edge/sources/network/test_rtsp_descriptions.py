"""RTSP cameras that describe their streams in an encoding or a codec of their own."""

import contextlib
import re
import socket
import threading

import pytest

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.system_libraries import import_av

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=s\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    b"a=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)
SESSION = b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n"


def serve(listening: socket.socket, sdp: bytes) -> None:
    """Answer one client up to PLAY, then hang up."""
    described = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s" % (len(sdp), sdp)
    more = {b"DESCRIBE": described, b"SETUP": SESSION, b"PLAY": b"Session: 1\r\n\r\n"}
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        while asked := connection.recv(65536):
            number = re.search(rb"CSeq: (\d+)", asked)
            assert number is not None
            verb = asked.split()[0]
            connection.sendall(b"RTSP/1.0 200 OK\r\nCSeq: " + number[1] + b"\r\n" + more.get(verb, b"\r\n"))
            if verb == b"PLAY":
                return


@pytest.mark.parametrize(
    ("sdp", "said"),
    [
        (SDP.replace(b"s=s", b"s=\xffEntr\xe9e"), "rtsp://.* (ended|stopped|cannot be opened)"),
        (SDP.replace(b"H264", b"NONESUCH"), "rtsp://.* (sends video that FFmpeg cannot decode|has no video)"),
    ],
    ids=["a name that is not UTF-8", "a codec that nobody knows"],
)
def test_what_a_camera_says_of_its_stream_is_no_bug_of_ours(sdp: bytes, said: str) -> None:
    import_av()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, args=(listening, sdp))
        server.start()
        with pytest.raises(SourceError, match=said):
            open_source(f"rtsp://127.0.0.1:{listening.getsockname()[1]}/stream?library=pyav", camera_id="door")
        server.join(10)
