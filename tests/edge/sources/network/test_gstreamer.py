"""GStreamer as it is, where it is installed."""

import itertools
import threading
import time
from contextlib import closing
from types import ModuleType

import numpy as np
import pytest

from mnv2_edge.errors import LibraryMissingError, SourceError, SourceLoginError, UsageError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.network.gstreamer import GstSource, build_pipeline, open_gst
from mnv2_edge.sources.ribbon.argus import csi_pipeline, open_csi
from mnv2_edge.testing import check_source
from support.gstreamer import need_gstreamer
from support.leaks import check_flat


@pytest.fixture(scope="module")
def gst() -> ModuleType:
    return need_gstreamer("videotestsrc", "videoconvert")


def options(uri: str, **query: str) -> SourceOptions:
    return SourceOptions(uri, "cam", None, query)


def open_test(rest: str) -> GstSource:
    return open_gst(options(f"gst:videotestsrc is-live=true {rest}"))


SMALL = "! video/x-raw,width=64,height=48,framerate=100/1"


def test_it_keeps_the_contract_of_a_source(gst: ModuleType) -> None:
    check_source(lambda: open_test(SMALL))


@pytest.mark.parametrize("made", ["I420", "NV12", "BGR", "RGB", "BGRx", "UYVY"])
@pytest.mark.parametrize("width", [64, 66])  # a row of 66 BGR pixels is padded to 200 bytes
def test_colours_are_right_whatever_the_pipeline_gives(gst: ModuleType, made: str, width: int) -> None:
    rest = f"pattern=solid-color foreground-color=0xffc81e32 ! video/x-raw,format={made},width={width},height=48"
    with closing(open_test(rest)) as source:
        frame = next(iter(source))
    bgr = frame.pixels if frame.color == "BGR" else frame.pixels[..., ::-1]
    assert bgr.shape == (48, width, 3)
    assert np.abs(bgr.astype(int) - (50, 30, 200)).max() <= 4


def test_only_the_newest_picture_is_kept_and_stamped_on_our_clock(gst: ModuleType) -> None:
    with closing(open_test(SMALL)) as source:
        frames = iter(source)
        next(frames)
        time.sleep(0.3)
        late = next(frames)
        assert 0 <= time.monotonic_ns() - late.captured_ns < 0.1e9


def test_a_silent_pipeline_lets_go_when_closed(gst: ModuleType) -> None:
    source = open_test("! video/x-raw,width=64,height=48,framerate=1/30")
    thread = threading.Thread(target=lambda: list(source))
    thread.start()
    time.sleep(0.1)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 0.1
    thread.join(1)
    assert not thread.is_alive()


def test_the_end_and_an_error_are_faults(gst: ModuleType) -> None:
    short = open_gst(options(f"gst:videotestsrc num-buffers=3 {SMALL}"))
    with closing(short), pytest.raises(SourceError, match="has ended"):
        list(short)
    with pytest.raises(SourceError, match="no-such-file"):
        open_gst(options("gst:filesrc location=/no-such-file ! decodebin"))
    with pytest.raises(SourceError, match="no-such-8401") as caught:
        open_gst(options("gst:filesrc location=/no-such-8401 ! decodebin"))
    assert not isinstance(caught.value, SourceLoginError)


@pytest.mark.parametrize("uri", ["gst:", "gst:videotestsrc ! appsink", "gst:nosuchelement", "gst:videotestsrc ! ! x"])
def test_what_is_no_pipeline_is_refused(gst: ModuleType, uri: str) -> None:
    with pytest.raises(UsageError):
        open_gst(options(uri))


def test_200_openings_leave_nothing_behind(gst: ModuleType) -> None:
    def cycle() -> None:
        with closing(open_test(SMALL)) as source:
            list(itertools.islice(source, 1))

    check_flat(cycle, 200)


def test_off_a_jetson_that_is_said(gst: ModuleType) -> None:
    with pytest.raises(LibraryMissingError, match=r"nvarguscamerasrc.*picamera:N"):
        open_csi(options("csi:0"))


@pytest.mark.parametrize(("uri", "query"), [("csi:left", {}), ("csi:0", {"format": "mjpg"}), ("csi:0", {"size": "x"})])
def test_csi_options_that_make_no_sense(uri: str, query: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        open_csi(options(uri, **query))


def test_the_pipeline_of_a_jetson_runs_with_stand_ins_for_its_elements(gst: ModuleType) -> None:
    description = csi_pipeline(1, (320, 240), 25.5)
    assert "sensor-id=1 " in description
    assert "framerate=25500/1000" in description
    for theirs, ours in (
        ("nvarguscamerasrc sensor-id=1", "videotestsrc is-live=true pattern=solid-color foreground-color=0xffc81e32"),
        ("(memory:NVMM)", ""),
        ("nvvidconv", "videoconvert"),
    ):
        assert theirs in description
        description = description.replace(theirs, ours)
    with closing(GstSource(gst, build_pipeline(gst, description), "csi:1", "cam")) as source:
        frame = next(iter(source))
    assert frame.pixels.shape == (240, 320, 3)
    assert frame.color == "BGR"
    assert np.abs(frame.pixels.astype(int) - (50, 30, 200)).max() <= 4
