import threading
import time
from dataclasses import fields

import numpy as np
import pytest

from mnv2_edge.errors import UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.scenes import SIGN_NAMES, render
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.demo import DemoFilm, DemoSource, open_demo


def options(pace: str | None = None, **query: str) -> SourceOptions:
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


def test_a_camera_is_live_and_endless():
    source = open_demo(options())
    assert source.live
    assert source.endless


def test_a_frame_holds_pixels_and_no_truth():
    frame = next(iter(open_demo(options("max"))))
    assert {field.name for field in fields(frame)} == {"pixels", "color", "index", "captured_ns", "source_id"}
    assert type(frame) is Frame
    assert type(frame.pixels) is np.ndarray
    assert not any(name in frame.source_id for name in SIGN_NAMES)


def test_size_is_width_by_height():
    frame = next(iter(open_demo(options("max", size="200x100"))))
    assert frame.pixels.shape == (100, 200, 3)


def test_frames_are_the_readers_own():
    first, second = list(open_demo(options("max", frames="2")))
    kept = second.pixels.copy()
    first.pixels[:] = 0
    np.testing.assert_array_equal(second.pixels, kept)


def test_it_keeps_its_rate_and_stamps_frames_when_they_are_due():
    stamps = [frame.captured_ns for frame in open_demo(options(fps="25", frames="11"))]
    gaps_ms = np.diff(stamps) / 1e6
    assert 40 * 10 - 20 < gaps_ms.sum() < 40 * 10 + 200
    assert abs(np.median(gaps_ms) - 40) < 8


def test_a_slow_reader_delays_frames_and_gets_no_burst_afterwards():
    source = iter(open_demo(options(fps="50", frames="6")))
    next(source)
    time.sleep(0.15)
    stamps = [frame.captured_ns for frame in source]
    assert (np.diff(stamps[1:]) / 1e6).min() > 10


def test_close_ends_the_wait_for_the_next_frame():
    source = DemoSource(DemoFilm(fps=0.1), "cam")
    frames = iter(source)
    next(frames)
    closer = threading.Timer(0.1, source.close)
    closer.start()
    begun = time.monotonic()
    assert next(frames, None) is None
    assert time.monotonic() - begun < 2
    closer.join()
    source.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"speed": "3"}, r"no option 'speed': expected seed, fps, size or frames"),
        ({"fps": "fast"}, r"fps='fast' is no number: expected e\.g\. demo\?fps=30"),
        ({"fps": "nan"}, r"fps=nan is out of range: expected 0\.1 to 1000"),
        ({"seed": "-1"}, r"seed=-1 is out of range: expected 0 to"),
        ({"frames": "0"}, r"frames=0 is out of range: expected 1 to"),
        ({"frames": "1.5"}, r"frames='1\.5' is no number"),
        ({"size": "640"}, r"size='640' is no size: expected WIDTHxHEIGHT"),
        ({"size": "10x10"}, r"size='10x10' is no size: .* from 64 to 4096"),
    ],
)
def test_bad_options_say_what_is_expected(query: dict[str, str], message: str):
    with pytest.raises(UsageError, match=message):
        open_demo(options(**query))
