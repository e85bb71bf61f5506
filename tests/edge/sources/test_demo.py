import threading
import time
from dataclasses import fields

import numpy as np
import pytest

from mnv2_edge.demo import SIGN_NAMES, render, render_street
from mnv2_edge.errors import UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import Pace, SourceOptions
from mnv2_edge.sources.demo import DemoSource, Film, open_demo
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_edge.testing import check_source


def options(pace: Pace | None = None, **query: str) -> SourceOptions:
    return SourceOptions(uri="demo", camera_id="cam", pace=pace, query=query)


def test_it_gives_the_film_in_order():
    source = open_demo(options("max", seed="9", frames="12"))
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(12))
    assert {(frame.color, frame.source_id) for frame in frames} == {("RGB", "cam")}
    np.testing.assert_array_equal(frames[11].pixels, render(9, 11))
    assert not source.live
    assert not source.endless
    assert source.skipped == 0


@pytest.mark.parametrize(("pace", "query"), [(None, {"fps": "200"}), ("max", {}), ("max", {"frames": "3"})])
def test_it_keeps_the_contract_of_sources(pace: Pace | None, query: dict[str, str]):
    check_source(lambda: open_demo(options(pace, **query)))


def test_a_camera_is_live_and_endless():
    source = open_demo(options())
    assert source.live
    assert source.endless


def test_a_frame_holds_pixels_and_no_truth():
    frame = next(iter(open_demo(options("max"))))
    assert {field.name for field in fields(frame)} == {
        "pixels",
        "color",
        "index",
        "captured_ns",
        "source_id",
        "picture",
        "cut",
        "outputs",
    }
    assert frame.picture == ""
    assert frame.cut is None
    assert frame.outputs is None
    assert type(frame) is Frame
    assert type(frame.pixels) is np.ndarray
    assert not any(name in frame.source_id for name in SIGN_NAMES)


def test_size_is_width_by_height():
    frame = next(iter(open_demo(options("max", size="200x100"))))
    assert frame.pixels.shape == (100, 200, 3)


def test_the_street_is_another_film():
    frame = next(iter(open_demo(options("max", film="street", seed="3"))))
    np.testing.assert_array_equal(frame.pixels, render_street(3, 0))


def test_frames_are_the_readers_own():
    first, second = list(open_demo(options("max", frames="2")))
    kept = second.pixels.copy()
    first.pixels[:] = 0
    np.testing.assert_array_equal(second.pixels, kept)


class StepPacer(Pacer):
    """Give moments that a test can foretell, and say how many were asked for."""

    def __init__(self) -> None:
        super().__init__(fps=30)
        self.moments = iter(range(1000, 2000, 40))

    def wait(self) -> int | None:
        return next(self.moments)


def test_frames_are_stamped_with_the_moment_they_were_due():
    frames = list(DemoSource(Film(frames=3), "cam", StepPacer()))
    assert [frame.captured_ns for frame in frames] == [1000, 1040, 1080]


def test_it_comes_no_faster_than_its_rate():
    stamps = [frame.captured_ns for frame in open_demo(options(fps="50", frames="11"))]
    assert stamps[-1] - stamps[0] >= 10 * 20_000_000
    assert stamps == sorted(stamps)
    assert stamps[-1] <= time.monotonic_ns()


def test_a_camera_has_30_frames_a_second():
    begun = time.monotonic()
    assert len(list(open_demo(options(frames="4")))) == 4
    assert time.monotonic() - begun >= 3 / 30


def test_close_ends_the_wait_for_the_next_frame():
    source = open_demo(options(fps="0.01"))
    frames = iter(source)
    next(frames)
    closer = threading.Timer(0.1, source.close)
    closer.start()
    assert next(frames, None) is None
    closer.join()
    source.close()


def test_close_ends_it_flat_out_too():
    source = open_demo(options("max"))
    frames = iter(source)
    next(frames)
    source.close()
    assert next(frames, None) is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"speed": "3"}, r"demo has no option 'speed': expected film, fps, frames, seed, size"),
        ({"film": "western"}, r"demo option film='western' is unknown: expected signs or street"),
        ({"fps": "fast"}, r"demo option fps='fast' is not a rate"),
        ({"seed": "-1"}, r"demo option seed='-1' is out of range: expected a whole number from 0 to 4294967295"),
        ({"frames": "0"}, r"demo option frames='0' is out of range: expected a whole number from 1 to"),
        ({"frames": "1.5"}, r"frames='1\.5' is out of range"),
        ({"size": "640"}, r"size='640' is not a size: expected WIDTHxHEIGHT"),
        ({"size": "10x10"}, r"size=10x10 is out of range: expected 64 to 4096 pixels each way"),
        ({"size": "320x9000"}, r"size=320x9000 is out of range"),
    ],
)
def test_bad_options_say_what_is_expected(query: dict[str, str], message: str):
    with pytest.raises(UsageError, match=message):
        open_demo(options(**query))
