"""Video files, through OpenCV's own encoders and decoders."""

import contextlib
import logging
import threading
import time

import cv2
import numpy as np
import pytest

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.close_guard import SharedCapture
from mnv2_edge.sources.open import open_source

FRAMES = 60


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Return a folder of films whose frame i is of the colour (4 i, 0, 255 - 4 i)."""
    folder = tmp_path_factory.mktemp("films")
    for name, codec in (("film.avi", "MJPG"), ("film.mkv", "FFV1"), ("film.mp4", "mp4v")):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*codec), 50, (64, 48))
        assert writer.isOpened()
        for index in range(FRAMES):
            writer.write(np.full((48, 64, 3), (4 * index, 0, 255 - 4 * index), np.uint8))
        writer.release()
    return folder


@pytest.mark.parametrize("name", ["film.avi", "film.mkv", "film.mp4"])
def test_every_frame_comes_once_in_order(films, name, caplog):
    with contextlib.closing(open_source(str(films / name), camera_id="c")) as source:
        assert (source.live, source.endless) == (False, False)
        frames = list(source)
        assert source.skipped == 0
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [int(frame.pixels[24, 32, 0]) for frame in frames] == pytest.approx([4 * i for i in range(FRAMES)], abs=12)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_frames_belong_to_their_reader(films):
    with contextlib.closing(open_source(str(films / "film.mkv"), camera_id="c")) as source:
        iterator = iter(source)
        first = next(iterator)
        before = first.pixels.copy()
        second = next(iterator)
    assert not np.shares_memory(first.pixels, second.pixels)
    assert np.array_equal(first.pixels, before)


@pytest.mark.parametrize("name", ["film.avi", "film.mkv"])
def test_a_film_that_was_cut_gives_what_it_holds_and_one_warning(films, tmp_path, caplog, name):
    data = (films / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with (
        caplog.at_level(logging.WARNING, "mnv2_edge"),
        contextlib.closing(open_source(str(tmp_path / name), camera_id="c")) as source,
    ):
        frames = list(source)
    assert FRAMES // 4 < len(frames) < FRAMES * 3 // 4
    (warning,) = caplog.records
    assert f"ended after {len(frames)} of {FRAMES} frames" in warning.getMessage()


def test_stopping_in_the_middle_is_no_cut(films, caplog):
    source = open_source(str(films / "film.avi"), camera_id="c")
    iterator = iter(source)
    next(iterator)
    source.close()
    assert list(iterator) == []
    assert not caplog.records


def test_what_is_no_film_is_an_error_at_opening(films, tmp_path):
    (tmp_path / "noise.avi").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "empty.mp4").touch()
    data = (films / "film.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])  # an MP4's index stands at its end
    for name in ("noise.avi", "empty.mp4", "cut.mp4"):
        with pytest.raises(SourceError, match=rf"{name} is neither a picture nor a video .*`file ") as caught:
            open_source(str(tmp_path / name), camera_id="c")
        assert caught.value.exit_status == 69


def test_a_paced_film_comes_at_its_own_rate_or_another(films):
    for query, period_ns in (("", 20_000_000), ("?fps=200", 5_000_000)):
        with contextlib.closing(open_source(f"{films / 'film.avi'}{query}", camera_id="c", pace="realtime")) as source:
            assert source.live
            assert not source.endless
            began = time.monotonic_ns()
            stamps = []
            for frame in source:
                stamps.append(frame.captured_ns)
                if frame.index == 10:
                    break
        assert began <= stamps[0]
        assert stamps[-1] <= time.monotonic_ns()
        # on the schedule, unless this machine stood still for longer than a period
        assert np.median(np.diff(stamps)) == period_ns


def test_closing_ends_a_paced_film_at_once(films):
    source = open_source(f"{films / 'film.avi'}?fps=0.01", camera_id="c", pace="realtime")
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    time.sleep(0.05)
    began = time.monotonic()
    source.close()
    reader.join(5)
    assert time.monotonic() - began < 1


class SlowReader:
    """A capture whose read takes its time, and which a release in the middle of it would crash."""

    def __init__(self):
        self.reading = threading.Event()
        self.go_on = threading.Event()
        self.released = 0
        self.crashed = False

    def read(self):
        self.reading.set()
        self.go_on.wait(5)
        self.crashed = self.released > 0
        return True, np.zeros((2, 2, 3), np.uint8)

    def release(self):
        self.released += 1


def test_a_capture_is_not_released_in_the_middle_of_a_read():
    reader = SlowReader()
    capture = SharedCapture(reader, "a camera")
    result = []
    thread = threading.Thread(target=lambda: result.append(capture.read()))
    thread.start()
    assert reader.reading.wait(5)
    capture.close()
    assert reader.released == 0
    reader.go_on.set()
    thread.join(5)
    capture.close()
    assert (reader.released, reader.crashed, result) == (1, False, [None])
    assert capture.read() is None


def test_what_the_decoder_throws_is_an_error_of_the_source():
    class Broken(SlowReader):
        def read(self):
            raise cv2.error("out of memory")

    capture = SharedCapture(Broken(), "film.avi")
    with pytest.raises(SourceError, match=r"film\.avi cannot be decoded"):
        capture.read()
