import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnv2_edge.errors import LibraryMissingError, SourceError, SourceNotFoundError, UsageError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.ribbon.picamera import open_picamera
from mnv2_edge.testing import check_source
from support.fake_picamera2 import MODULE, FakePicamera2, colour_space
from support.leaks import check_flat


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[FakePicamera2]:
    class Fresh(FakePicamera2):
        opened: list[FakePicamera2] = []  # noqa: RUF012

    monkeypatch.setitem(sys.modules, "picamera2", type(MODULE)(Picamera2=Fresh))
    return Fresh


def options(uri: str = "picamera:0", **query: str) -> SourceOptions:
    return SourceOptions(uri, "cam", None, query)


def test_it_keeps_the_contract_of_a_source(picamera2: type[FakePicamera2]) -> None:
    check_source(lambda: open_picamera(options()))
    for device in picamera2.opened:
        assert device.held == 0
        assert not device.started


@pytest.mark.parametrize("granted", ["RGB888", "BGR888", "XRGB8888", "XBGR8888", "YUV420", "YVU420", "NV12", "NV21"])
def test_whatever_format_is_granted_the_colours_are_right(picamera2: type[FakePicamera2], granted: str) -> None:
    picamera2.grant = granted
    picamera2.scene = np.array([[(200, 40, 60), (60, 190, 50)], [(30, 50, 210), (128, 128, 128)]], np.uint8)  # BGR
    source = open_picamera(options(size="64x48"))
    frame = next(iter(source))
    source.close()
    assert frame.pixels.shape == (48, 64, 3)
    assert frame.pixels.flags.c_contiguous
    bgr = frame.pixels if frame.color == "BGR" else frame.pixels[..., ::-1]
    seen = bgr[12::24, 16::32].astype(int)
    assert np.abs(seen - picamera2.scene).max() <= 4


SCENE = np.array([[(200, 40, 60), (60, 190, 50)], [(30, 50, 210), (128, 128, 128)]], np.uint8)  # BGR


@pytest.mark.parametrize("encoding", ["Rec709", "Rec2020"])
@pytest.mark.parametrize("value_range", ["Limited", "Full"])
def test_whatever_colour_space_is_granted_the_colours_are_right(
    picamera2: type[FakePicamera2], encoding: str, value_range: str
) -> None:
    picamera2.grant, picamera2.scene, picamera2.space = "NV12", SCENE, colour_space(encoding, value_range)
    with closing(open_picamera(options(size="64x48"))) as source:
        seen = next(iter(source)).pixels[12::24, 16::32].astype(int)
    assert np.abs(seen - SCENE).max() <= 3


@pytest.mark.parametrize("space", [None, colour_space("Null", "Full"), colour_space("Rec601", "Odd")])
def test_a_camera_that_does_not_say_what_its_colours_mean_is_told_of(
    picamera2: type[FakePicamera2], space: object, caplog: pytest.LogCaptureFixture
) -> None:
    picamera2.grant, picamera2.space = "NV12", space
    open_picamera(options()).close()
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "does not say what its colours mean" in warning
    caplog.clear()
    picamera2.grant = "RGB888"  # which needs no conversion
    open_picamera(options()).close()
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_the_colour_space_that_is_cheap_to_convert_is_asked_for(
    picamera2: type[FakePicamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SimpleNamespace(Smpte170m=lambda: "BT.601, video range")
    monkeypatch.setitem(sys.modules, "libcamera", SimpleNamespace(ColorSpace=space))
    open_picamera(options(size="1920x1080")).close()
    assert picamera2.opened[0].configured[0]["colour_space"] == "BT.601, video range"


def test_the_small_stream_is_read_when_it_is_asked_for(picamera2: type[FakePicamera2]) -> None:
    source = open_picamera(options(size="1280x720", lores="320x240", fps="15"))
    assert next(iter(source)).pixels.shape == (240, 320, 3)
    source.close()
    (configuration,) = picamera2.opened[0].configured
    assert configuration["main"] == {"size": (1280, 720), "format": "RGB888"}
    assert configuration["lores"] == {"size": (320, 240), "format": "YUV420"}
    assert configuration["controls"] == {"FrameDurationLimits": (66667, 66667)}


def test_a_frame_is_stamped_by_the_sensor(picamera2: type[FakePicamera2]) -> None:
    source = open_picamera(options())
    frames = iter(source)
    next(frames)
    frame = next(frames)
    assert 6e6 < time.monotonic_ns() - frame.captured_ns < 60e6
    source.close()


def test_a_silent_camera_lets_go_when_closed(picamera2: type[FakePicamera2]) -> None:
    source = open_picamera(options())
    picamera2.opened[0].frozen.set()
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.extend(source))
    thread.start()
    time.sleep(0.05)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 0.1
    thread.join(2)
    assert not thread.is_alive()
    assert len(got) == 1  # the one that proved it open
    assert not picamera2.opened[0].started


def test_a_camera_that_gives_nothing_does_not_count_as_open(
    picamera2: type[FakePicamera2], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnv2_edge.sources.ribbon.picamera._FIRST_S", 0.1)
    monkeypatch.setattr(picamera2, "start", lambda self: (setattr(self, "started", True), self.frozen.set()))
    with pytest.raises(SourceError, match="ribbon cable"):
        open_picamera(options())
    assert not picamera2.opened[0].started


def test_an_absent_or_busy_camera_is_said_and_leaks_nothing(picamera2: type[FakePicamera2]) -> None:
    with pytest.raises(SourceNotFoundError, match="picamera:0 is imx708"):
        open_picamera(options("picamera:3"))
    picamera2.busy = True

    def attempt() -> None:
        with pytest.raises(SourceError, match=r"resource busy.*fuser"):
            open_picamera(options())

    check_flat(attempt, 100)


def test_500_openings_leave_nothing_behind(picamera2: type[FakePicamera2]) -> None:
    picamera2.period_s = 0

    def cycle() -> None:
        source = open_picamera(options())
        next(iter(source))
        source.close()
        device = picamera2.opened.pop()
        assert not device.held
        assert not device.started

    check_flat(cycle)


@pytest.mark.parametrize(
    ("uri", "query", "word"),
    [
        ("picamera:left", {}, "picamera:N"),
        ("picamera:0", {"lores": "800x600"}, "lores"),
        ("picamera:0", {"format": "mjpg"}, "no option 'format'"),
    ],
)
def test_options_that_make_no_sense(uri: str, query: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        open_picamera(options(uri, **query))


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("raise ImportError(\"No module named 'libcamera'\")", ["apt install", "--system-site-packages"]),
        ("raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')", ["constraints-numpy1"]),
    ],
)
def test_a_missing_library_is_said_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str, words: list[str]
) -> None:
    (tmp_path / "picamera2.py").write_text(failure)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(LibraryMissingError) as caught:
        open_picamera(options())
    assert caught.value.exit_status == 69
    for word in words:
        assert word in str(caught.value)
