"""A real RTSP server, killed, frozen and started again, with both libraries."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceLoginError
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.sources import FrameSource
from mnv2_edge.sources.open import open_source
from mnv2_edge.testing import check_source
from support.gstreamer import need_gstreamer
from support.leaks import check_flat
from support.rtsp_server import RtspServer, age_ms, need_rtsp_server
from support.watching import Watched

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=["pyav", "gstreamer"])
def library(request: pytest.FixtureRequest) -> str:
    if request.param == "gstreamer":
        need_gstreamer("rtspsrc", "avdec_h264", packages="gstreamer1.0-plugins-good gstreamer1.0-libav python3-gi")
    else:
        pytest.importorskip("av", reason="pip install 'mnv2-edge[rtsp]'")
    return str(request.param)


@pytest.fixture
def server() -> Iterator[RtspServer]:
    need_rtsp_server()
    with RtspServer() as server:
        yield server


def open_it(server: RtspServer, library: str, *, user: str = "", secret: str = "", more: str = "") -> FrameSource:
    url = server.url.replace("//", f"//{user}@") if user else server.url
    return open_source(f"{url}?library={library}{more}", camera_id="cam", secret=secret)


def test_it_keeps_the_contract_of_a_source(server: RtspServer, library: str) -> None:
    check_source(lambda: open_it(server, library))


def test_latency_is_that_of_a_frame_or_two_and_stamps_are_those_of_arrival(server: RtspServer, library: str) -> None:
    ages, stamps = [], []
    with closing(open_it(server, library)) as source:
        for frame in itertools.islice(source, 30, 150):
            ages.append(age_ms(frame.pixels))
            stamps.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
    assert np.median(ages) < 150
    assert 0 <= np.median(stamps) < 100


def test_h265_is_as_late_as_h264(library: str) -> None:
    need_rtsp_server()
    with RtspServer(codec="h265") as server, closing(open_it(server, library)) as source:
        ages = [age_ms(frame.pixels) for frame in itertools.islice(source, 30, 90)]
    assert np.median(ages) < 200


def test_over_udp(server: RtspServer, library: str) -> None:
    with closing(open_it(server, library, more="&transport=udp")) as source:
        assert len(list(itertools.islice(source, 10))) == 10


def test_a_refused_login_is_told_apart(library: str) -> None:
    need_rtsp_server()
    with RtspServer(user="ann", password="hush") as server:
        open_it(server, library, user="ann", secret="hush").close()
        for user, secret in (("ann", "wrong-one"), ("", "")):
            with pytest.raises(SourceLoginError, match=r"refuses the login.*MNV2_EDGE_CAMERA_PASSWORD") as caught:
                open_it(server, library, user=user, secret=secret)
            assert "wrong-one" not in str(caught.value)


def test_a_wrong_path_and_nobody_there_are_said_soon(server: RtspServer, library: str) -> None:
    began = time.monotonic()
    with pytest.raises(SourceError, match="manual"):
        open_source(f"{server.url}/none?library={library}", camera_id="cam")
    server.kill()
    with pytest.raises(SourceError, match="camera on"):
        open_it(server, library)
    assert time.monotonic() - began < 3


def watch(server: RtspServer, library: str) -> Watched:
    watched = Watched(OpenedCamera("cam", None, lambda: open_it(server, library)))
    watched.capture.start()
    watched.go_on(10, until_frames=10)
    assert watched.names[-1] == "streaming"
    return watched


def until(watched: Watched, *, streaming: bool, limit_s: float) -> float:
    """Return after how many seconds it streams, or does so no more."""
    began = time.monotonic()
    while (watched.capture.state == "streaming") is not streaming and time.monotonic() - began < limit_s:
        watched.go_on(0.02)
    assert (watched.capture.state == "streaming") is streaming
    return time.monotonic() - began


def end(watched: Watched) -> None:
    watched.capture.stop()
    assert watched.capture.join(10)
    assert watched.indices == sorted(set(watched.indices))


def test_killed_and_back_with_another_size(server: RtspServer, library: str) -> None:
    watched = watch(server, library)
    server.kill()
    assert until(watched, streaming=False, limit_s=10) < 6
    server.size = "320x240"
    server.start()
    assert until(watched, streaming=True, limit_s=10) < 3
    end(watched)


def test_frozen_is_noticed_within_the_stall_time_and_a_second(server: RtspServer, library: str) -> None:
    watched = watch(server, library)
    server.freeze()
    assert until(watched, streaming=False, limit_s=10) < 6
    server.kill()
    server.start()
    assert until(watched, streaming=True, limit_s=20) < 8  # a connection to the frozen server was under way
    end(watched)


def test_cuts_leave_nothing_behind(server: RtspServer, library: str) -> None:
    def cycle() -> None:
        with closing(open_it(server, library)) as source:
            next(iter(source))

    check_flat(cycle, 30)


def test_a_slow_reader_sees_no_growing_past(server: RtspServer, library: str) -> None:
    """The reader stops for three seconds, as a starved process does; two seconds later all is as before."""
    with closing(open_it(server, library)) as source:
        frames = iter(source)
        list(itertools.islice(frames, 30))
        time.sleep(3)
        began = time.monotonic()
        while time.monotonic() - began < 2:
            next(frames)
        assert np.median([age_ms(frame.pixels) for frame in itertools.islice(frames, 10)]) < 300


def test_keyframes_only(server: RtspServer) -> None:
    pytest.importorskip("av", reason="pip install 'mnv2-edge[rtsp]'")
    with closing(open_it(server, "auto", more="&keyframes=only")) as source:
        frames = list(itertools.islice(source, 3))
    assert [b.index - a.index for a, b in itertools.pairwise(frames)] == [30, 30]


def test_closing_under_a_read_of_a_frozen_server_returns_at_once(server: RtspServer, library: str) -> None:
    source = open_it(server, library, more="&timeout=1")
    server.freeze()

    def read() -> None:
        try:
            list(source)
        except SourceError:
            return

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 0.2
    thread.join(6)
    assert not thread.is_alive()
