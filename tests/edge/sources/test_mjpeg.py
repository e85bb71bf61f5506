import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import cv2
import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceLoginError
from mnv2_edge.reader import Camera, Supervision
from mnv2_edge.sources.mjpeg import MjpegSource
from mnv2_edge.sources.multipart import JpegParts
from mnv2_edge.sources.opening import open_source
from mnv2_edge.testing import check_source
from support.leaks import check_flat
from support.mjpeg_server import MjpegServer, picture
from support.watching import Watched


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
    monkeypatch.setattr("mnv2_edge.sources.mjpeg._FIRST_S", 0.2)
    server.pictures = itertools.repeat(part)
    with pytest.raises(SourceError, match="gives no whole picture"):
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
        watched = Watched(Camera("cam", None, lambda: open_it(server.url), Supervision(stall_s=0.5)))
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


def test_500_openings_leave_nothing_behind(server: MjpegServer) -> None:
    def cycle() -> None:
        with closing(open_it(server.url)) as source:
            next(iter(source))

    check_flat(cycle)


class TestParts:
    whole = picture(9)

    def part(self, head: bytes = b"") -> bytes:
        return b"--b\r\nContent-Type: image/jpeg\r\n" + head + b"\r\n" + self.whole + b"\r\n"

    @pytest.mark.parametrize("size", [1, 7, 1000])
    @pytest.mark.parametrize("boundary", ["b", "--b", '"b"'])
    @pytest.mark.parametrize("with_length", [True, False])
    def test_however_the_bytes_come(self, size: int, boundary: str, with_length: bool) -> None:
        head = f"Content-Length: {len(self.whole)}\r\n".encode() if with_length else b""
        stream = self.part(head) * 3 + b"--b\r\n"
        parts = JpegParts(boundary)
        found = [jpeg for start in range(0, len(stream), size) for jpeg in parts.feed(stream[start : start + size])]
        assert found == [self.whole] * 3

    def test_a_preview_inside_does_not_end_the_picture(self) -> None:
        outer = self.whole[:2] + b"\xff\xe1\x00\x10" + self.whole + self.whole[2:]
        stream = b"--b\r\n\r\n" + outer + b"\r\n--b\r\n"
        assert JpegParts("b").feed(stream) == [outer]

    def test_a_stream_of_something_else_is_given_up(self) -> None:
        parts = JpegParts("b")
        assert parts.feed(bytes(32 * 1024 * 1024)) == []
        with pytest.raises(SourceError, match="no motion JPEG"):
            parts.feed(b"x")


def test_a_real_photograph_survives(server: MjpegServer) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    jpeg = bytes(cv2.imencode(".jpg", noise)[1])
    server.pictures = itertools.repeat(jpeg)
    with closing(open_it(server.url)) as source:
        assert np.array_equal(next(iter(source)).pixels, cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1))
