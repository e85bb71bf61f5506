import gc
import itertools
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceLoginError, UsageError
from mnv2_edge.pipeline.reader import OpenedCamera, Supervision
from mnv2_edge.sources.network.mjpeg import MjpegSource
from mnv2_edge.sources.open import open_source
from mnv2_edge.testing import check_source
from support.hostile_pictures import jpeg_saying
from support.leaks import check_flat
from support.mjpeg_server import MjpegServer, picture
from support.raw_server import RawServer
from support.tls_server import make_certificate
from support.watching import Watched

HEADER = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    server = MjpegServer()
    yield server
    server.kill()


def open_it(url: str, secret: str = "") -> MjpegSource:
    source = open_source(url, camera_id="cam", secret=secret)
    assert isinstance(source, MjpegSource)
    return source


def test_it_keeps_the_contract_of_a_source(server: MjpegServer) -> None:
    check_source(lambda: open_it(server.url))


@pytest.mark.parametrize("lengths", [True, False])
def test_pictures_arrive_whole_and_in_order(server: MjpegServer, lengths: bool) -> None:
    server.lengths = lengths
    with closing(open_it(server.url)) as source:
        frames = list(itertools.islice(source, 10))
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    for frame in frames:
        assert frame.pixels.shape == (48, 64, 3)
        assert abs(int(frame.pixels[0, 0, 0]) - frame.index) <= 2
        assert frame.color == "BGR"


def test_a_slow_reader_sees_the_newest_picture(server: MjpegServer) -> None:
    with closing(open_it(server.url)) as source:
        frames = iter(source)
        next(frames)
        time.sleep(0.5)
        late = next(frames)
        assert late.index > 20
        assert time.monotonic_ns() - late.captured_ns < 0.2e9


@pytest.mark.parametrize("part", [b"no picture", picture(1)[:-20]])
def test_a_stream_without_a_whole_picture_is_given_up(
    server: MjpegServer, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    monkeypatch.setattr("mnv2_edge.sources.network.mjpeg._FIRST_S", 0.2)
    server.pictures = itertools.repeat(part)
    with pytest.raises(SourceError, match=r"gives no (whole picture|picture that can be decoded: the last was cut)"):
        open_it(server.url)


def test_the_query_goes_to_the_camera_as_it_is(server: MjpegServer) -> None:
    open_it(server.url + "?channel=1&subtype=1&flag&size=big").close()
    assert server.requests == ["/stream?channel=1&subtype=1&flag&size=big"]


def test_a_login(server: MjpegServer) -> None:
    server.login = "ann:hush"
    url = server.url.replace("//", "//ann@")
    open_it(url, secret="hush").close()
    with pytest.raises(SourceLoginError, match="401") as caught:
        open_it(url, secret="wrong")
    assert "wrong" not in str(caught.value)
    assert "MNV2_EDGE_CAMERA_PASSWORD" in str(caught.value)
    assert len(server.requests) == 4  # one without and one with the login, twice: no third attempt


def test_a_digest_login(server: MjpegServer) -> None:
    server.digest = ("ann", "hush")
    url = server.url.replace("//", "//ann@")
    open_it(url + "?a=1", secret="hush").close()
    with pytest.raises(SourceLoginError, match="401"):
        open_it(url, secret="wrong")


def test_what_is_no_motion_jpeg_is_said(server: MjpegServer) -> None:
    server.kind = "text/html"
    with pytest.raises(SourceError, match=r"text/html.*rtsp"):
        open_it(server.url)


def test_nobody_there_is_said_at_once() -> None:
    server = MjpegServer()
    server.kill()
    began = time.monotonic()
    with pytest.raises(SourceError, match="refused"):
        open_it(server.url)
    assert time.monotonic() - began < 1


def test_damaged_pictures_are_skipped_and_counted(server: MjpegServer) -> None:
    whole = picture(77)
    server.pictures = itertools.cycle([whole, whole[: len(whole) // 2], b"\xff\xd8 no picture"])
    with closing(open_it(server.url)) as source:
        frames = list(itertools.islice(source, 5))
        assert source.skipped > 0
    assert all(abs(int(frame.pixels[0, 0, 0]) - 77) <= 2 for frame in frames)


def test_closing_ends_a_read_of_a_frozen_server(server: MjpegServer) -> None:
    source = open_it(server.url)
    server.freeze()
    thread = threading.Thread(target=lambda: list(source))
    thread.start()
    time.sleep(0.1)
    source.close()
    thread.join(1)
    assert not thread.is_alive()


class TestSupervised:
    """A real server killed, frozen and started again; the clock is the real one."""

    @staticmethod
    def watch(server: MjpegServer) -> Watched:
        watched = Watched(OpenedCamera("cam", None, lambda: open_it(server.url), Supervision(stall_s=0.5)))
        watched.capture.start()
        watched.go_on(5, until_frames=3)
        return watched

    def test_killed_and_started_again(self, server: MjpegServer) -> None:
        watched = self.watch(server)
        server.kill()
        watched.go_on(0.5)
        assert watched.names == ["starting", "streaming", "reconnecting"]
        server.size = (80, 60)
        server.start()
        began, seen = time.monotonic(), len(watched.indices)
        watched.go_on(3, until_frames=seen + 1)
        assert time.monotonic() - began < 3
        assert watched.names[-1] == "streaming"
        self.end(watched)

    def test_frozen_and_started_again(self, server: MjpegServer) -> None:
        watched = self.watch(server)
        server.freeze()
        began = time.monotonic()
        while watched.names[-1] == "streaming" and time.monotonic() - began < 3:
            watched.go_on(0.02)
        assert 0.4 < time.monotonic() - began < 1.5
        assert watched.names[2] == "stalled"
        server.kill()
        watched.go_on(0.3)
        server.start()
        watched.go_on(3, until_frames=len(watched.indices) + 1)
        assert watched.names[2:] == ["stalled", "reconnecting", "streaming"]
        assert watched.indices == sorted(set(watched.indices))
        self.end(watched)

    @staticmethod
    def end(watched: Watched) -> None:
        watched.capture.stop()
        assert watched.capture.join(1)


def test_a_refused_connection_is_closed_at_once() -> None:
    """Of a camera that keeps connections alive; Python warns of those that nobody closed."""
    server = MjpegServer(login="ann:hush", protocol="HTTP/1.1")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        open_it(server.url.replace("//", "//ann@"), secret="hush").close()
        gc.collect()
    server.kill()
    assert [str(one.message) for one in warned] == []


class TestHostile:
    """What no camera should send; each time one line says what, and a new attempt may follow."""

    @pytest.fixture
    def serve(self) -> Iterator[Callable[[Callable[[], Iterable[bytes]]], RawServer]]:
        servers: list[RawServer] = []

        def serve(answer: Callable[[], Iterable[bytes]]) -> RawServer:
            servers.append(RawServer(answer))
            return servers[-1]

        yield serve
        for server in servers:
            server.close()

    @pytest.mark.parametrize(
        ("parts", "said"),
        [
            (lambda: [b"Content-Length: 1073741824\r\n\r\n\xff\xd8"], "1024 MiB is announced: expected at most 16 MiB"),
            (lambda: [b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n\xff\xd8"], "MiB is announced"),
            (lambda: itertools.repeat(b"X-Header: 1\r\n" * 1000), "no picture begins in 1 MiB"),
            (lambda: itertools.chain([b"\r\n\xff\xd8"], itertools.repeat(bytes(1 << 20))), "no picture ends in 16 MiB"),
            (list, "gives no whole picture"),
        ],
    )
    def test_a_stream_is_given_up(self, serve, monkeypatch, parts, said) -> None:
        monkeypatch.setattr(
            "mnv2_edge.sources.network.mjpeg._FIRST_S", 5 if said.startswith(("no", "1024", "MiB")) else 0.3
        )
        server = serve(lambda: itertools.chain([HEADER + b"--frame\r\n"], parts(), server.drip(b"x" * 10**6)))
        with pytest.raises(SourceError) as caught:
            open_it(server.url)
        assert said in str(caught.value)
        assert str(caught.value).startswith(server.url)

    @pytest.mark.parametrize("header", [HEADER, b"", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000])
    def test_an_answer_that_drips_is_given_up(self, serve, monkeypatch, header) -> None:
        """A time-out for each read never strikes: something always comes."""
        monkeypatch.setattr("mnv2_edge.sources.network.http._ANSWER_S", 0.3)
        server = serve(lambda: server.drip(header.removesuffix(b"\r\n\r\n") + b"X: y\r\n" * 10**5))
        with pytest.raises(SourceError, match=r"has not answered in 0\.3 s"):
            open_it(server.url)

    def test_silence_is_said(self, serve, monkeypatch) -> None:
        monkeypatch.setattr("mnv2_edge.sources.network.mjpeg._FIRST_S", 0.2)
        server = serve(lambda: [HEADER])
        with pytest.raises(SourceError, match=r"stopped: nothing came for 0\.2 s"):
            open_it(server.url)

    def test_a_slow_camera_may_be_as_silent_as_its_supervisor_allows(self, serve, monkeypatch) -> None:
        monkeypatch.setattr("mnv2_edge.sources.network.mjpeg._LEAST_SILENCE_S", 0.1)
        monkeypatch.setattr("mnv2_edge.sources.network.mjpeg._AFTER_SUPERVISOR_S", 0.0)
        part = b"--frame\r\n\r\n" + picture(1) + b"\r\n--frame\r\n"

        def answer() -> Iterator[bytes]:
            yield HEADER + part
            time.sleep(0.5)
            yield part

        server = serve(answer)
        with closing(open_source(server.url, camera_id="cam", stall_s=20)) as source:
            assert len(list(itertools.islice(source, 2))) == 2
        with closing(open_source(server.url, camera_id="cam", stall_s=0.1)) as source:
            frames = iter(source)
            next(frames)
            with pytest.raises(SourceError, match=r"nothing came for 0\.1 s"):
                next(frames)

    def test_pictures_that_are_all_refused_end_the_stream_and_say_why(self, serve) -> None:
        def part(jpeg: bytes) -> bytes:
            return b"--frame\r\n\r\n" + jpeg + b"\r\n--frame\r\n"

        large = part(jpeg_saying(30_000, 30_000, b"\0"))

        def answer() -> Iterator[bytes]:
            yield HEADER + part(picture(1))
            while True:
                time.sleep(0.02)
                yield large

        server = serve(answer)
        with closing(open_source(server.url, camera_id="cam", stall_s=0.5)) as source:
            frames = iter(source)
            next(frames)
            with pytest.raises(SourceError, match=r"can be decoded: the last is a JPEG of 30000 x 30000 pixels"):
                next(frames)
            assert source.skipped > 1

    def test_what_opencv_refuses_is_skipped(self, serve) -> None:
        huge = bytearray(picture(1))
        at = huge.index(b"\xff\xc0")
        huge[at + 5 : at + 9] = b"\xff\xff\xff\xff"  # 65535 x 65535: 12 GB, if it were believed
        empty = b"--frame\r\nContent-Length: 0\r\n\r\n\xff\xd8\r\n"
        parts = b"--frame\r\n\r\n" + bytes(huge) + b"\r\n" + empty + b"--frame\r\n\r\n" + picture(7)
        server = serve(lambda: [HEADER, b"--frame\r\n\r\n\xff\xd8\r\n", parts, b"\r\n--frame\r\n"])
        with closing(open_it(server.url)) as source:
            assert abs(int(next(iter(source)).pixels[0, 0, 0]) - 7) <= 2

    @pytest.mark.parametrize("line", [b"X: y\r\n", b"X: " + b"y" * 60_000 + b"\r\n"])
    def test_a_trailer_without_end_ends_the_stream(self, serve, line) -> None:
        part = b"--frame\r\n\r\n" + picture(1) + b"\r\n--frame\r\n"
        header = HEADER.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n"
        server = serve(lambda: itertools.chain([header, chunk, b"0\r\n"], itertools.repeat(line)))
        with closing(open_it(server.url)) as source:
            frames = iter(source)
            next(frames)
            with pytest.raises(SourceError, match=r"stopped: (HTTPException more than 200 lines|IncompleteRead)"):
                next(frames)

    def test_answers_that_announce_answers_without_end_are_given_up(self, serve) -> None:
        server = serve(lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"))
        with pytest.raises(SourceError, match="more than 200 lines of header or trailer"):
            open_it(server.url)

    def test_chunks_of_a_byte_are_read(self, serve) -> None:
        part = b"--frame\r\n\r\n" + picture(9) + b"\r\n--frame\r\n"
        header = HEADER.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunks = b"".join(b"1;x=y\r\n" + part[at : at + 1] + b"\r\n" for at in range(len(part)))
        server = serve(lambda: [header, chunks])
        with closing(open_it(server.url)) as source:
            assert abs(int(next(iter(source)).pixels[0, 0, 0]) - 9) <= 2

    @pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".local", ".local"])
    def test_a_name_that_no_host_has(self, host: str) -> None:
        with pytest.raises(SourceError, match="cannot be reached"):
            open_it(f"http://{host}/x")

    def test_an_address_is_escaped_as_browsers_do(self, server: MjpegServer) -> None:
        open_it(server.url + "/größe 1?tür=%20&a=1").close()
        assert server.requests == ["/stream/gr%C3%B6%C3%9Fe%201?t%C3%BCr=%20&a=1"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificates"), "camera", "localhost")


class TestHttps:
    @pytest.fixture
    def secure(self, certificate: tuple[Path, Path]) -> Iterator[MjpegServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server = MjpegServer(tls=context)
        yield server
        server.kill()

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, secure: MjpegServer) -> None:
        with pytest.raises(SourceError, match="its certificate is not accepted") as caught:
            open_it(secure.url)
        assert "add ca_file=camera.pem to the address" in str(caught.value)
        assert secure.requests == []

    def test_one_that_the_user_has_named_is_accepted(self, secure: MjpegServer, certificate: tuple[Path, Path]) -> None:
        with closing(open_it(f"{secure.url}?a=1&ca_file={certificate[0]}")) as source:
            assert len(list(itertools.islice(source, 5))) == 5
        assert secure.requests == ["/stream?a=1"]

    def test_unchecked_it_is_warned_of(self, secure: MjpegServer, caplog: pytest.LogCaptureFixture) -> None:
        open_it(secure.url + "?verify=no").close()
        assert "certificate is not checked (verify=no)" in caplog.text

    @pytest.mark.parametrize(
        ("query", "said"), [("?verify=yes", "expected ca_file=FILE, or verify=no"), ("?ca_file=none", "cannot be used")]
    )
    def test_options_that_make_no_sense(self, query: str, said: str) -> None:
        with pytest.raises(UsageError, match=f"https: .*{said}"):
            open_it(f"https://localhost:1/x{query}")

    def test_plain_http_leaves_the_query_to_the_camera(self, server: MjpegServer) -> None:
        open_it(server.url + "?verify=1").close()
        assert server.requests == ["/stream?verify=1"]


def test_500_openings_leave_nothing_behind(server: MjpegServer) -> None:
    def cycle() -> None:
        with closing(open_it(server.url)) as source:
            next(iter(source))

    check_flat(cycle)


def test_a_real_photograph_survives(server: MjpegServer) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    jpeg = bytes(cv2.imencode(".jpg", noise)[1])
    server.pictures = itertools.repeat(jpeg)
    with closing(open_it(server.url)) as source:
        assert np.array_equal(next(iter(source)).pixels, cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1))
