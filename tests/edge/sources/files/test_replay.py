import itertools
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceNotFoundError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.reader import OpenedCamera, Supervision
from mnv2_edge.sources import FrameSource
from mnv2_edge.sources.demo import DemoSource, Film
from mnv2_edge.sources.files.replay import Fault, ReplaySource, parse_faults
from mnv2_edge.sources.open import open_source
from mnv2_edge.testing import check_source
from support.fakes import FilmSource
from support.leaks import check_flat
from support.watching import Watched

SIZE = (64, 64)


def opener(spec: str, *, fps: float = 50, film_frames: int | None = None) -> Callable[[], FrameSource]:
    """Return what opens a replay again and again; its time begins now."""
    began_ns = time.monotonic_ns()
    film = Film(size=SIZE, frames=film_frames)
    return lambda: ReplaySource(lambda: DemoSource(film, "cam", None), parse_faults(spec), fps, "cam", began_ns)


def play(spec: str, frames: int) -> list[Frame]:
    with closing(opener(spec)()) as source:
        return list(itertools.islice(source, frames))


def test_it_keeps_the_contract_of_a_source() -> None:
    check_source(opener(""))
    check_source(lambda: open_source("replay:demo?fps=100", camera_id="cam"))


def test_a_film_is_played_in_a_loop() -> None:
    with closing(opener("", film_frames=3)()) as source:
        frames = list(itertools.islice(source, 7))
    assert [frame.index for frame in frames] == list(range(7))
    assert np.array_equal(frames[0].pixels, frames[6].pixels)
    assert not np.array_equal(frames[0].pixels, frames[1].pixels)


def test_a_film_without_a_readable_picture_is_an_error_and_no_endless_search(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_text("no picture")
    source = open_source(f"replay:{tmp_path}", camera_id="cam")
    with closing(source), pytest.raises(SourceError, match="holds no picture that can be read"):
        next(iter(source))


def test_a_film_that_is_closed_between_two_rounds_is_left_closed() -> None:
    films: list[FilmSource] = []

    def open_film() -> FrameSource:
        films.append(FilmSource(2))
        if len(films) == 2:
            source.close()
        return films[-1]

    source = ReplaySource(open_film, (), 1000, "cam", time.monotonic_ns())
    assert len(list(source)) == 2
    assert [film.closed.is_set() for film in films] == [True, True]


def test_faults_that_change_pictures() -> None:
    frames = play("black@0.2+0.2,size@0.6,frozen@1.0+0.2", 65)
    black = [frame.index for frame in frames if not frame.pixels.any()]
    small = [frame.index for frame in frames if frame.pixels.shape[:2] == (32, 32)]
    same = [b.index for a, b in itertools.pairwise(frames) if np.array_equal(a.pixels, b.pixels) and b.pixels.any()]
    assert black == list(range(black[0], black[0] + len(black)))
    assert 9 <= len(black) <= 11
    assert small == list(range(small[0], 65))
    assert 28 <= small[0] <= 32
    assert 8 <= len(same) <= 11
    assert 48 <= same[0] <= 53


def test_faults_that_take_time() -> None:
    frames = play("stall@0.1+0.3,drop@0.6+0.2", 40)
    gaps = [(b.captured_ns - a.captured_ns) / 1e9 for a, b in itertools.pairwise(frames)]
    indices = [b.index - a.index for a, b in itertools.pairwise(frames)]
    assert sum(gap > 0.25 for gap in gaps) == 1  # a stall loses time
    assert max(indices) in (10, 11)  # a drop loses frames
    assert sum(step > 1 for step in indices) == 1


def test_faults_that_end_it_do_so_once() -> None:
    open_again = opener("end@0.1,error@0.3,absent@0.5+0.2")
    with closing(open_again()) as source:
        assert 3 <= len(list(source)) <= 6
    with closing(open_again()) as source, pytest.raises(SourceError, match="broke"):
        list(source)
    with closing(open_again()) as source:
        assert list(source)
    with pytest.raises(SourceNotFoundError, match="absent"):
        open_again()
    time.sleep(0.25)
    with closing(open_again()) as source:
        assert len(list(itertools.islice(source, 5))) == 5


def test_a_rehearsal_of_everything() -> None:
    spec = "end@0.3,stall@0.6+1.0,black@2.2+0.5,hang@3.2+2"
    camera = OpenedCamera("cam", None, opener(spec), Supervision(stall_s=0.5, hang_s=0.3, black_s=0.2))
    watched = Watched(camera)
    watched.capture.start()
    watched.go_on(5)
    assert watched.names == [
        "starting", "streaming",
        "reconnecting", "streaming",
        "stalled", "reconnecting", "streaming",
        "stalled", "streaming",
        "stalled", "reconnecting", "streaming",
    ]  # fmt: skip
    assert "black" in watched.states[7][1]
    assert "hangs" in watched.states[10][1]
    assert len(watched.outages) == 4
    assert watched.indices == sorted(set(watched.indices))
    watched.capture.stop()
    assert watched.capture.join(3)


def test_500_openings_leave_nothing_behind() -> None:
    open_again = opener("", fps=1000)

    def cycle() -> None:
        with closing(open_again()) as source:
            next(iter(source))

    check_flat(cycle)


def test_a_specification_is_read() -> None:
    assert parse_faults("stall@10+8, hang@60") == (Fault("stall", 10, 8), Fault("hang", 60))
    assert parse_faults("") == ()


def test_a_specification_survives_the_uri() -> None:
    with closing(open_source("replay:demo?fps=100&faults=black@0+3600", camera_id="cam")) as source:
        assert not next(iter(source)).pixels.any()


@pytest.mark.parametrize("spec", ["stall", "stall@", "stall@1", "explode@3", "end@1,,", "black@-1+2", "drop@1+"])
def test_what_is_no_specification_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_faults(spec)


def test_options_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="pace"):
        open_source("replay:demo", camera_id="cam", pace="max")
    with pytest.raises(UsageError, match="no option 'seed'"):
        open_source("replay:demo?seed=3", camera_id="cam")
    with pytest.raises(SourceNotFoundError):
        open_source("replay:no-such-film.mp4", camera_id="cam")
