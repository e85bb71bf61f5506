"""Cameras on the network that send garbage first: motion JPEG, and RTSP."""

import itertools
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

from campaign.formats import pictures
from campaign.mutators import mutate

_OK = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
_RTSP = (
    b"RTSP/1.0 200 OK\r\nCSeq: {n}\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nCSeq: {n}\r\nContent-Type: application/sdp\r\nContent-Length: {size}\r\n\r\n{sdp}",
    (
        b"RTSP/1.0 200 OK\r\nCSeq: {n}\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        b"Session: 12345678;timeout=60\r\n\r\n"
    ),
    b"RTSP/1.0 200 OK\r\nCSeq: {n}\r\nSession: 12345678\r\nRange: npt=0.000-\r\n\r\n",
)
_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=s\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
    b"sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\n"
    b"a=control:track1\r\n"
)


def prepare(samples: Path) -> None:
    """Write pictures to send."""
    pictures.prepare(samples)


def mjpeg(draw: random.Random, samples: Path, _folder: Path) -> list[str]:
    """Serve a damaged stream; once that is over, and again when it is connected to anew, a good one."""
    jpegs = [(samples / name).read_bytes() for name in ("base.jpg", "prog.jpg", "grey.jpg", "rst.jpg")]
    bad = _damaged_stream(draw, jpegs)

    def answer(connection: socket.socket, number: int) -> None:
        connection.recv(65536)
        if number == 0:
            connection.sendall(bad)
        if number > 0 or draw.random() < 0.5:
            connection.sendall(_OK if number else b"")
            for jpeg in itertools.cycle((jpegs[0], jpegs[2])):
                connection.sendall(_part(jpeg))

    port = serve(answer)
    return [
        "run",
        "--camera",
        f"http://127.0.0.1:{port}/stream",
        "--wait-for-camera",
        "--max-frames",
        "2",
        "--format",
        "jsonl",
    ]


def rtsp(draw: random.Random, _samples: Path, _folder: Path) -> list[str]:
    """Answer with damaged RTSP and garbage in the place of its packets; the command gives the camera up."""
    damaged = draw.randrange(5)
    answers = [answer.replace(b"{sdp}", _SDP).replace(b"{size}", str(len(_SDP)).encode()) for answer in _RTSP]
    if damaged < 4:
        sdp = mutate(draw, _SDP) if damaged == 1 else _SDP
        answers[1] = _RTSP[1].replace(b"{size}", str(len(sdp)).encode()).replace(b"{sdp}", sdp)
        if damaged != 1 or draw.random() < 0.2:
            answers[damaged] = mutate(draw, answers[damaged])
    packets = b"".join(_packet(draw) for _ in range(draw.choice((0, 3, 200))))

    def answer(connection: socket.socket, _number: int) -> None:
        for sent in range(40):
            asked = connection.recv(65536)
            if not asked:
                return
            number = asked.upper().partition(b"CSEQ:")[2].split(b"\r\n")[0].strip() or b"1"
            kind = 3 if asked.startswith(b"PLAY") else min(sent, 2)
            connection.sendall(answers[kind].replace(b"{n}", number))
            if kind == 3:
                connection.sendall(packets)
                return

    port = serve(answer)
    return [
        "run",
        "--camera",
        f"rtsp://127.0.0.1:{port}/stream?transport=tcp",
        "--max-frames",
        "1",
        "--format",
        "jsonl",
    ]


def serve(answer: Callable[[socket.socket, int], None]) -> int:
    """Answer connections one after another, in a fork that ends with the case; return the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = int(listening.getsockname()[1])
    if os.fork():
        listening.close()
        return port
    try:
        for number in itertools.count():
            connection, _ = listening.accept()
            connection.settimeout(20)
            try:
                with connection:
                    answer(connection, number)
            except OSError:
                continue  # the other end had enough
    finally:
        os._exit(0)


def _part(jpeg: bytes) -> bytes:
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)


def _damaged_stream(draw: random.Random, jpegs: list[bytes]) -> bytes:
    kind = draw.random()
    if kind < 0.35:
        return _OK + b"".join(_part(pictures.damaged_jpeg(draw, draw.choice(jpegs))) for _ in range(5))
    whole = _OK + b"".join(_part(draw.choice(jpegs)) for _ in range(3))
    if kind < 0.8:
        return mutate(draw, whole)
    return draw.choice(
        (
            b"HTTP/1.0 200 OK\r\n" + b"X-Header: y\r\n" * 100_000,
            _OK + b"--frame\r\n" + b"X-Trailer: " + b"y" * 3_000_000,
            _OK + b"--frame\r\nContent-Length: 99999999999999999999\r\n\r\n" + jpegs[0],
            _OK + b"--frame\r\nContent-Length: -1\r\n\r\n" + jpegs[0],
            _OK + b"x" * 5_000_000,
            _OK.replace(b"frame", b"f" * 70_000),
            _OK + b"--frame\r\n\r\n" + jpegs[0][:-2] + b"\xff\x00" * 3_000_000,
            b"HTTP/1.1 302 Found\r\nLocation: /stream\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest " + b"a=b," * 20_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\nFFFFFFFFFF\r\n" + jpegs[0],
            draw.randbytes(20_000),
            b"",
        )
    )


def _packet(draw: random.Random) -> bytes:
    payload = draw.randbytes(draw.choice((0, 1, 12, 40, 1200)))
    if draw.random() < 0.7 and len(payload) >= 12:
        payload = (
            b"\x80\x60" + payload[2:12] + draw.choice((b"\x65", b"\x7c\x85", b"\x18\xff\xff", b"\x67")) + payload[12:]
        )
    size = len(payload) if draw.random() < 0.8 else draw.randrange(65536)
    return b"$" + bytes([draw.choice((0, 0, 0, 1, 255))]) + size.to_bytes(2, "big") + payload
