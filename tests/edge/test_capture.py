import threading
import time

import numpy as np
import pytest

from mnv2_edge.capture import Camera, Capture
from mnv2_edge.errors import SourceError
from mnv2_edge.exchange import Exchange
from mnv2_edge.sources import FrameSource
from mnv2_engines.geometry import View
from support.fakes import FilmSource, HangingSource


class Blank:
    def prepare(self, pixels: object, color: object, out: object) -> View:
        return View(0, 0, 1, 1, 0, 0, 1, 1)


class Watched:
    """A capture whose states and frames are kept."""

    def __init__(self, camera: Camera) -> None:
        self.states: list[tuple[str, str]] = []
        self.indices: list[int] = []
        self.ended = threading.Event()
        self.exchange = Exchange()
        lane = self.exchange.add_lane(
            live=camera.source.live, allocate=lambda: np.zeros(1, np.uint8), make_preparer=Blank
        )
        self.capture = Capture(
            camera, lane, lambda _c, state, reason: self.states.append((state, reason)), self.ended.set
        )

    def run(self, seconds: float = 5.0) -> None:
        self.capture.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.exchange.finished:
            taken = self.exchange.take(0.05)
            if taken is not None:
                self.indices.append(taken[1].frame.index)
                taken[0].release(taken[1])
        self.capture.stop()
        assert self.capture.join(5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnv2_edge.capture._FIRST_WAIT_S", 0.01)
    monkeypatch.setattr("mnv2_edge.capture._LONGEST_WAIT_S", 0.05)


def test_a_file_is_read_to_its_end() -> None:
    watched = Watched(Camera("cam", FilmSource(5)))
    watched.run()
    assert watched.states == [("starting", ""), ("streaming", ""), ("ended", "")]
    assert watched.indices == [0, 1, 2, 3, 4]
    assert watched.ended.is_set()


def test_a_camera_that_ends_is_opened_again_and_indices_go_on() -> None:
    sources: list[FilmSource] = []

    def reopen() -> FrameSource:
        sources.append(FilmSource(3, endless=len(sources) < 2))
        return sources[-1]

    watched = Watched(Camera("cam", FilmSource(3, endless=True), reopen))
    watched.run()
    assert watched.indices == list(range(12))
    assert watched.capture.reopened == 3
    assert [state for state, _ in watched.states] == [
        "starting", "streaming", *(["reconnecting", "streaming"] * 3), "ended"
    ]  # fmt: skip
    assert ("reconnecting", "the stream ended") in watched.states


def test_a_camera_that_comes_back_without_frames_stays_reconnecting() -> None:
    tries = []

    def reopen() -> FrameSource:
        tries.append(1)
        if len(tries) % 2:
            raise SourceError("still not there")
        return FilmSource(0 if len(tries) < 6 else 2, endless=len(tries) < 6)

    watched = Watched(Camera("cam", FilmSource(1, endless=True, error=SourceError("unplugged")), reopen))
    watched.run()
    assert watched.states == [
        ("starting", ""), ("streaming", ""), ("reconnecting", "unplugged"), ("streaming", ""), ("ended", "")
    ]  # fmt: skip
    assert watched.capture.reopened == 1
    assert len(tries) == 6


def test_a_fault_without_a_way_back_is_a_failure_with_its_reason() -> None:
    watched = Watched(Camera("cam", FilmSource(2, endless=True, error=SourceError("cable out"))))
    watched.run()
    assert watched.states[-1] == ("failed", "cable out")
    assert watched.capture.reason == "cable out"


def test_stopping_interrupts_a_source_that_waits_and_the_wait_for_a_camera() -> None:
    slow = Watched(Camera("cam", FilmSource(5, live=True, period_s=30)))
    began = time.monotonic()
    slow.run(0.1)
    assert slow.states[-1] == ("ended", "stopped")

    def reopen() -> FrameSource:
        raise SourceError("not there")

    away = Watched(Camera("cam", FilmSource(1, live=True, endless=True), reopen))
    away.run(0.3)
    assert away.states[-1] == ("ended", "stopped")
    assert time.monotonic() - began < 5


def test_a_hanging_driver_is_told_of_and_does_not_hold_up_the_caller() -> None:
    source = HangingSource()
    watched = Watched(Camera("cam", source))
    watched.capture.start()
    assert watched.exchange.take(5) is not None
    watched.capture.stop()
    assert not watched.capture.join(0.1)
    source.let_go.set()
    assert watched.capture.join(5)


def test_any_other_error_is_kept_for_the_pipeline() -> None:
    error = ZeroDivisionError("a bug")
    watched = Watched(Camera("cam", FilmSource(1, error=error)))
    watched.run()
    assert watched.capture.error is error
    assert watched.ended.is_set()
