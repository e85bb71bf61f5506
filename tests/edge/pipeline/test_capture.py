import logging
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceLoginError, SourceNotFoundError, TemporaryError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.reader import OpenedCamera, Supervision
from mnv2_edge.sources import FrameSource
from support.fakes import FilmSource, HangingSource
from support.watching import Watched

FAST = 50.0


class Endless(FilmSource):
    """Give live frames until closed."""

    def __init__(self, period_s: float = 0.002) -> None:
        super().__init__(10**9, live=True, endless=True, period_s=period_s)


class Silent(FilmSource):
    """Give `count` frames, then none, and end when closed, as a well-behaved source of a frozen server does."""

    def __init__(self, count: int) -> None:
        super().__init__(count, live=True, endless=True)

    def __iter__(self) -> Iterator[Frame]:
        yield from super().__iter__()
        self.closed.wait(20)


class Still(Endless):
    """Give the same picture for ever."""

    def __init__(self, value: int) -> None:
        super().__init__()
        self._value = value

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            frame.pixels[...] = self._value
            yield frame


def sequence(*steps: Callable[[], FrameSource] | Exception) -> Callable[[], FrameSource]:
    """Return an opener that does one step after the other, and the last for ever."""
    left = list(steps)

    def reopen() -> FrameSource:
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return step()

    return reopen


def test_a_file_is_read_to_its_end() -> None:
    watched = Watched(OpenedCamera("cam", FilmSource(5)))
    watched.run()
    assert watched.states == [("starting", ""), ("streaming", ""), ("ended", "")]
    assert watched.indices == [0, 1, 2, 3, 4]
    assert watched.ended.is_set()
    assert watched.outages == []


def test_a_file_may_take_its_time() -> None:
    watched = Watched(OpenedCamera("cam", FilmSource(3, period_s=0.2)), speed=1000)
    watched.run()
    assert watched.names == ["starting", "streaming", "ended"]
    assert watched.indices == [0, 1, 2]


def test_a_camera_that_ends_is_opened_again_and_indices_go_on() -> None:
    sources: list[FilmSource] = []

    def reopen() -> FrameSource:
        sources.append(FilmSource(3, endless=len(sources) < 2))
        return sources[-1]

    watched = Watched(OpenedCamera("cam", FilmSource(3, endless=True), reopen), speed=FAST)
    watched.run()
    assert watched.indices == list(range(12))
    assert watched.capture.reopened == 3
    assert watched.names == ["starting", "streaming", *(["reconnecting", "streaming"] * 3), "ended"]
    assert ("reconnecting", "the stream ended") in watched.states
    assert all(source.closed.is_set() for source in sources)


def test_a_camera_that_comes_back_without_frames_stays_reconnecting() -> None:
    tries = []

    def reopen() -> FrameSource:
        tries.append(1)
        if len(tries) % 2:
            raise SourceError("still not there")
        return FilmSource(0 if len(tries) < 6 else 2, endless=len(tries) < 6)

    watched = Watched(
        OpenedCamera("cam", FilmSource(1, endless=True, error=SourceError("unplugged")), reopen), speed=FAST
    )
    watched.run()
    assert watched.states == [
        ("starting", ""), ("streaming", ""), ("reconnecting", "unplugged"), ("streaming", ""), ("ended", "")
    ]  # fmt: skip
    assert watched.capture.reopened == 1
    assert len(tries) == 6


def test_what_could_not_be_decoded_is_counted_once_however_often_it_was_opened() -> None:
    sources = [FilmSource(1, endless=True), FilmSource(1, endless=True), FilmSource(1)]
    for source, skipped in zip(sources, (1, 2, 4), strict=True):
        source.skipped = skipped
    watched = Watched(
        OpenedCamera("cam", sources[0], sequence(*[lambda source=source: source for source in sources[1:]]))
    )
    watched.run()
    assert watched.capture.skipped == 7


def test_an_outage_is_told_when_it_is_over_with_its_length_and_first_reason() -> None:
    reopen = sequence(*[SourceError("still not there")] * 3, Endless)
    watched = Watched(
        OpenedCamera("cam", FilmSource(2, endless=True, error=SourceError("unplugged")), reopen), speed=FAST
    )
    watched.run(until_frames=5)
    (outage,) = watched.outages
    assert (outage.reason, outage.recovered) == ("unplugged", True)
    # four waits of 0.25, 0.5, 1 and 2 s, of each at most half taken off
    assert 1.8 < (outage.ended_ns - outage.began_ns) / 1e9 < 30


def test_an_outage_that_lasts_to_the_end_is_told_too() -> None:
    camera = OpenedCamera("cam", FilmSource(1, endless=True), sequence(SourceError("not there")))
    watched = Watched(camera, speed=FAST)
    watched.run(0.2)
    (outage,) = watched.outages
    assert not outage.recovered
    assert watched.names[-1] == "ended"


def test_a_fault_without_a_way_back_is_a_failure_with_its_reason() -> None:
    watched = Watched(OpenedCamera("cam", FilmSource(2, endless=True, error=SourceError("cable out"))))
    watched.run()
    assert watched.states[-1] == ("failed", "cable out")
    assert watched.capture.reason == "cable out"


def test_a_stalled_camera_is_closed_and_opened_again() -> None:
    silent = Silent(2)
    watched = Watched(OpenedCamera("cam", silent, sequence(Endless)), speed=FAST)
    watched.run(until_frames=10)
    assert watched.names[:5] == ["starting", "streaming", "stalled", "reconnecting", "streaming"]
    assert watched.states[2][1] == "no frame for 5 s"
    assert watched.states[3][1] == "no frame for 5 s"
    assert silent.closed.is_set()
    assert watched.indices == sorted(set(watched.indices))
    (outage,) = watched.outages
    assert 5 <= (outage.ended_ns - outage.began_ns) / 1e9 < 20


def test_a_stall_is_noticed_within_a_second() -> None:
    camera = OpenedCamera("cam", Silent(1), sequence(SourceError("not there")), Supervision(stall_s=0.5))
    watched = Watched(camera)
    watched.capture.start()
    watched.go_on(0.4)
    assert watched.names == ["starting", "streaming"]
    watched.go_on(0.3)
    assert watched.names[2] == "stalled"
    watched.capture.stop()
    assert watched.capture.join(5)


def test_an_absent_camera_is_one_state_for_ten_minutes_and_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    speed = 300.0
    there = threading.Event()
    tries: list[int] = []

    def reopen() -> FrameSource:
        tries.append(1)
        if not there.is_set():
            raise SourceNotFoundError("there is no /dev/video0")
        return Endless()

    watched = Watched(OpenedCamera("cam", None, reopen), speed=speed)
    with caplog.at_level(logging.INFO):
        watched.capture.start()
        watched.go_on(600 / speed)
        assert watched.states == [("starting", ""), ("reconnecting", "there is no /dev/video0")]
        assert len(caplog.records) == 2
    assert len(tries) > 100
    there.set()
    came_back_ns = watched.timer.now_ns()
    watched.go_on(1, until_frames=1)
    assert watched.names[-1] == "streaming"
    (outage,) = watched.outages
    assert outage.ended_ns - came_back_ns < 3e9 + 0.1e9 * speed / 10  # and what threads take, on the fast clock
    assert 600 <= (outage.ended_ns - outage.began_ns) / 1e9 < 660
    assert watched.capture.reopened == 0
    watched.capture.stop()
    assert watched.capture.join(5)


def test_a_refused_login_is_said_and_tried_rarely() -> None:
    refused = SourceLoginError("the camera refuses the password (401)")
    tries: list[int] = []

    def reopen() -> FrameSource:
        tries.append(1)
        if len(tries) == 1:
            raise SourceError("not there")
        raise refused

    watched = Watched(OpenedCamera("cam", FilmSource(1, endless=True), reopen), speed=300)
    watched.run(2.5)  # 750 s
    assert watched.states[2:4] == [("reconnecting", "the stream ended"), ("reconnecting", str(refused))]
    assert watched.names.count("reconnecting") == 2
    assert 2 <= len(tries) <= 6


def test_a_hung_read_is_left_behind_once_and_a_new_reader_takes_over() -> None:
    hung = HangingSource()
    watched = Watched(OpenedCamera("cam", hung, sequence(Endless)), speed=FAST)
    watched.capture.start()
    watched.go_on(5, until_frames=20)
    assert watched.names == ["starting", "streaming", "stalled", "reconnecting", "streaming"]
    assert "hangs" in watched.states[3][1]
    assert watched.indices == sorted(set(watched.indices))
    seen = len(watched.indices)
    hung.let_go.set()  # nothing that the lost thread does later is heard of
    watched.go_on(0.2)
    assert len(watched.indices) > seen
    assert watched.names[-1] == "streaming"
    watched.capture.stop()
    assert watched.capture.join(5)
    assert watched.names[-1] == "ended"


def test_a_second_hung_read_ends_the_process() -> None:
    first, second = HangingSource(), HangingSource()
    watched = Watched(OpenedCamera("cam", first, sequence(lambda: second)), speed=FAST)
    watched.capture.start()
    with pytest.raises(TemporaryError, match="only a new process"):
        watched.go_on(5)
    assert TemporaryError.exit_status == 75
    assert not watched.capture.join(0.05)
    for source in (first, second):
        source.let_go.set()
    watched.capture.stop()
    assert watched.capture.join(5)


def test_a_hung_read_that_has_ended_since_does_not_count() -> None:
    sources = [HangingSource(), HangingSource()]
    watched = Watched(OpenedCamera("cam", sources[0], sequence(lambda: sources[1], Endless)), speed=FAST)
    watched.capture.start()
    watched.go_on(5, until_frames=2)
    sources[0].let_go.set()
    watched.go_on(5, until_frames=10)
    assert watched.names.count("streaming") == 3
    sources[1].let_go.set()
    watched.capture.stop()
    assert watched.capture.join(5)


def test_a_device_that_a_lost_thread_holds_ends_the_process() -> None:
    hung = HangingSource()
    watched = Watched(OpenedCamera("cam", hung, sequence(SourceError("busy"))), speed=200)
    watched.capture.start()
    with pytest.raises(TemporaryError, match="keeps the camera"):
        watched.go_on(5)
    hung.let_go.set()
    watched.capture.stop()
    assert watched.capture.join(5)


def test_a_hung_open_is_left_behind_too_and_what_it_opens_late_is_closed() -> None:
    let_go = threading.Event()
    late: list[FilmSource] = []

    def hang() -> FrameSource:
        let_go.wait(20)
        late.append(Endless())
        return late[-1]

    watched = Watched(OpenedCamera("cam", None, sequence(hang, Endless)), speed=200)
    watched.capture.start()
    watched.go_on(5, until_frames=5)
    assert watched.names == ["starting", "reconnecting", "streaming"]
    let_go.set()
    watched.capture.stop()
    assert watched.capture.join(5)
    assert late[0].closed.is_set()
    assert late[0].given == 0


def test_a_frozen_picture_is_reported_and_not_looked_at() -> None:
    camera = OpenedCamera("cam", Still(100), sequence(lambda: Still(100)), Supervision(frozen_s=10))
    watched = Watched(camera, speed=FAST)
    watched.run(1.2)  # 60 s
    assert watched.names == ["starting", "streaming", "stalled", "reconnecting", "ended"]
    assert "frozen" in watched.states[2][1]
    assert "frozen_s: 0" in watched.states[2][1]
    assert watched.capture.gated > 0
    assert watched.capture.reopened == 0  # the same picture again is not a frame
    (outage,) = watched.outages
    assert not outage.recovered


def test_a_frozen_camera_is_back_with_the_first_other_picture() -> None:
    camera = OpenedCamera("cam", Still(100), sequence(lambda: Still(100), Endless), Supervision(frozen_s=10))
    watched = Watched(camera, speed=FAST)
    watched.run(5, until_frames=400)
    assert watched.names[:5] == ["starting", "streaming", "stalled", "reconnecting", "streaming"]
    assert watched.outages[0].recovered


def test_black_pictures_are_not_looked_at_and_reported_when_they_last() -> None:
    class Dark(Endless):
        """Half a second of light (at 50 times the speed), then only noise that is nearly black."""

        def __iter__(self) -> Iterator[Frame]:
            rng = np.random.default_rng(0)
            for frame in super().__iter__():
                frame.pixels[...] = 200 if frame.index < 20 else rng.integers(0, 16, frame.pixels.shape)
                yield frame

    dark = Dark()
    watched = Watched(OpenedCamera("cam", dark, None, Supervision(black_s=2)), speed=FAST)
    watched.run(0.5)
    assert watched.names == ["starting", "streaming", "stalled", "ended"]
    assert "black" in watched.states[2][1]
    assert max(watched.indices) < 20
    assert watched.capture.gated > 20
    assert dark.given > 40  # it is not opened again: that lights no room


def test_a_film_may_be_black_and_stand_still() -> None:
    watched = Watched(OpenedCamera("cam", Still(0)), speed=100)
    watched.run(0.5)
    assert watched.names == ["starting", "streaming", "ended"]
    assert watched.capture.gated == 0


def test_stopping_interrupts_a_source_that_waits_and_the_wait_for_a_camera() -> None:
    slow = Watched(OpenedCamera("cam", FilmSource(5, live=True, period_s=30)))
    began = time.monotonic()
    slow.run(0.1)
    assert slow.states[-1] == ("ended", "stopped")
    away = Watched(OpenedCamera("cam", FilmSource(1, live=True, endless=True), sequence(SourceError("not there"))))
    away.run(0.3)
    assert away.states[-1] == ("ended", "stopped")
    assert time.monotonic() - began < 5


def test_a_hanging_driver_is_told_of_and_does_not_hold_up_the_caller() -> None:
    source = HangingSource()
    watched = Watched(OpenedCamera("cam", source))
    watched.capture.start()
    assert watched.slots.take(5) is not None
    watched.capture.stop()
    assert not watched.capture.join(0.1)
    source.let_go.set()
    assert watched.capture.join(5)


def test_another_device_in_the_place_of_a_camera_is_an_outage_and_no_end() -> None:
    """As when a second camera with the same serial number is plugged in: its twin's address meant one thing before."""
    reopen = sequence(UsageError("2 cameras have the serial number 7"), Endless)
    watched = Watched(OpenedCamera("cam", FilmSource(2, endless=True), reopen), speed=FAST)
    watched.run(until_frames=5)
    assert watched.capture.error is None
    assert watched.names[:4] == ["starting", "streaming", "reconnecting", "streaming"]


def test_an_address_that_never_made_sense_ends_the_run() -> None:
    error = UsageError("no such option")
    watched = Watched(OpenedCamera("cam", None, sequence(error)), speed=FAST)
    watched.run()
    assert watched.capture.error is error


def test_any_other_error_is_kept_for_the_pipeline() -> None:
    error = ZeroDivisionError("a bug")
    watched = Watched(OpenedCamera("cam", FilmSource(1, error=error)))
    watched.run()
    assert watched.capture.error is error
    assert watched.ended.is_set()


def test_500_reopenings_leave_no_thread_behind_and_lose_no_index() -> None:
    before = threading.active_count()
    watched = Watched(OpenedCamera("cam", FilmSource(2, endless=True), lambda: FilmSource(2, endless=True)), speed=5000)
    watched.run(30, until_frames=1002)
    assert watched.capture.reopened >= 500
    assert watched.indices == list(range(1002))
    assert len(watched.outages) >= 500
    assert threading.active_count() <= before
