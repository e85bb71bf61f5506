"""Change the network of a running pipeline: every frame once, in order, each through one network and rightly."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.inference.network import Network
from mnv2_edge.pipeline.pipeline import Outcome, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import CameraState, Event, Result
from mnv2_edge.sources import FrameSource
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import Quantization
from support.fakes import EchoTask, FilmSource, ListSink, StrictBackend

IDENTITY = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=ResizePolicy("stretch"))
DIMMED = Preprocess(mean=(0.0, 0.0, 0.0), std=(2.0, 2.0, 2.0), resize=ResizePolicy("stretch"))


def network(name: str, backend: StrictBackend | None = None, preprocess: Preprocess = IDENTITY) -> Network:
    return Network(backend or StrictBackend(), EchoTask(), preprocess, name)


class CuedFilm(FilmSource):
    """Wait at some frames until somebody has done something in between, as a slow disk may."""

    def __init__(self, count: int, cues: dict[int, threading.Event], source_id: str = "cam") -> None:
        super().__init__(count, source_id=source_id)
        self._cues = cues

    def __iter__(self) -> Iterator[Frame]:
        for frame in super().__iter__():
            if frame.index in self._cues:
                self._cues[frame.index].wait(20)
            yield frame


class Running:
    """A pipeline that runs on a thread."""

    def __init__(self, cameras: list[OpenedCamera], first: Network) -> None:
        self.sink = ListSink()
        self.pipeline = Pipeline(cameras, first, [self.sink], device="dev")
        self.outcome: Outcome | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.outcome = self.pipeline.run(self._stop)

    def wait_for(self, results: int, camera: str = "cam") -> None:
        deadline = time.monotonic() + 20
        while len(self.results(camera)) < results:
            assert time.monotonic() < deadline, f"{len(self.results(camera))} results, {results} were expected"
            assert self._thread.is_alive()
            time.sleep(0.001)

    def end(self, *, stop: bool = False) -> Outcome:
        if stop:
            self._stop.set()
        self._thread.join(20)
        assert self.outcome is not None
        return self.outcome

    def results(self, camera: str = "cam") -> list[Result]:
        return [record for record in tuple(self.sink.records) if isinstance(record, Result) and record.camera == camera]

    def events(self, camera: str = "cam") -> list[Event]:
        return [record for record in self.sink.records if isinstance(record, Event) and record.camera == camera]

    def voices(self, camera: str = "cam") -> list[tuple[str, int]]:
        """Return which engine spoke from which frame on."""
        spoke = itertools.groupby(self.results(camera), key=lambda result: result.engine)
        return [(engine, next(results).frame) for engine, results in spoke]

    def told(self, camera: str = "cam") -> list[tuple[object, object, object]]:
        """Return what the events say about that."""
        found = [event for event in self.events(camera) if event.event == "engine"]
        return [(event.details["from"], event.details["to"], event.details["frame"]) for event in found]


OTHERS = {
    "the same input": (StrictBackend, IDENTITY, 1.0),
    "another size": (lambda: StrictBackend(size=16), IDENTITY, 1.0),
    "another type": (lambda: StrictBackend(dtype="int8", quantization=Quantization(1.0, -128)), IDENTITY, 1.0),
    "another scale": (lambda: StrictBackend(quantization=Quantization(2.0, 0)), IDENTITY, 1.0),
    "another mean and std": (StrictBackend, DIMMED, 0.5),
}


@pytest.mark.parametrize("other", OTHERS)
def test_no_frame_of_a_film_is_lost_none_is_seen_twice_and_each_by_the_right_network(other: str) -> None:
    make, preprocess, factor = OTHERS[other]
    old, new = StrictBackend(), make()
    running = Running([OpenedCamera("cam", FilmSource(300))], network("old", old))
    running.wait_for(50)
    assert running.pipeline.change_network(network("new", new, preprocess))
    old.close()
    outcome = running.end()
    results = running.results()
    assert [result.frame for result in results] == list(range(300))
    assert (outcome.results, outcome.dropped) == (300, 0)
    (_, zero), (engine, first) = running.voices()
    assert (zero, engine) == (0, "new")
    assert 50 <= first < 300
    assert running.told() == [("old", "new", first)]
    for result in results:
        seen = result.frame % 256 * (factor if result.engine == "new" else 1.0)
        assert result.predictions[0].class_id == pytest.approx(seen, abs=1)
    assert old.clean


def test_the_event_comes_right_before_the_first_result() -> None:
    running = Running([OpenedCamera("cam", FilmSource(300))], network("old"))
    running.wait_for(20)
    running.pipeline.change_network(network("new"))
    running.end()
    records = running.sink.records
    (place,) = [place for place, record in enumerate(records) if isinstance(record, Event)]
    first = next(record for record in records if isinstance(record, Result) and record.engine == "new")
    assert records[place + 1] is first


def test_frames_that_wait_and_frames_on_their_way_are_prepared_again() -> None:
    """Change while the engine is busy: one frame waits in the slot, the next one waits for the slot."""
    old, new = StrictBackend(0.1), StrictBackend(size=16)
    running = Running([OpenedCamera("cam", FilmSource(12))], network("old", old))
    running.wait_for(2)
    time.sleep(0.05)
    assert running.pipeline.change_network(network("new", new))
    old.close()
    running.end()
    assert [result.predictions[0].class_id for result in running.results()] == list(range(12))
    assert 3 <= dict(running.voices())["new"] <= 5  # what was prepared for the old network went through the new one
    assert old.clean


def test_the_old_network_is_not_given_back_while_it_infers() -> None:
    old = StrictBackend(0.3)
    running = Running([OpenedCamera("cam", FilmSource(4))], network("old", old))
    while not old.busy.locked():
        time.sleep(0.001)
    assert running.pipeline.change_network(network("new"))
    assert not old.busy.locked()
    old.close()
    running.end()
    assert [result.frame for result in running.results()] == list(range(4))


def test_two_changes_of_two_cameras() -> None:
    cues = [threading.Event(), threading.Event()]
    films = [CuedFilm(150, {50: cues[0], 100: cues[1]}, name) for name in ("left", "right")]
    running = Running([OpenedCamera(film._source_id, film) for film in films], network("a"))
    for cue, (count, name) in zip(cues, [(50, "b"), (100, "c")], strict=True):
        for camera in ("left", "right"):
            running.wait_for(count, camera)
        assert running.pipeline.change_network(network(name))
        cue.set()
    running.end()
    for camera in ("left", "right"):
        assert [result.frame for result in running.results(camera)] == list(range(150))
        assert running.voices(camera) == [("a", 0), ("b", 50), ("c", 100)]
        assert running.told(camera) == [("a", "b", 50), ("b", "c", 100)]


def test_a_camera_that_is_away_meanwhile_tells_of_its_own_first_frame() -> None:
    back = threading.Event()

    def reopen() -> FrameSource:
        back.wait(20)
        return FilmSource(10**9, live=True, endless=True, period_s=0.001, source_id="away")

    away = OpenedCamera("away", FilmSource(7, live=True, endless=True, period_s=0.001, source_id="away"), reopen)
    here = OpenedCamera("here", FilmSource(10**9, live=True, endless=True, period_s=0.001, source_id="here"))
    running = Running([away, here], network("a"))
    running.wait_for(1, "away")
    running.wait_for(10, "here")
    assert running.pipeline.change_network(network("b"))
    assert running.pipeline.change_network(network("c"))
    running.wait_for(len(running.results("here")) + 5, "here")
    back.set()
    running.wait_for(len(running.results("away")) + 5, "away")
    running.end(stop=True)
    (told,) = running.told("away")
    assert told == ("a", "c", dict(running.voices("away"))["c"])
    assert told[2] >= 7  # frame indices go on
    assert running.told("here")[-1][1] == "c"


def test_many_changes_under_load_are_all_clean() -> None:
    camera = OpenedCamera("cam", FilmSource(10**9, live=True, endless=True, period_s=0.0))
    film = OpenedCamera("film", FilmSource(10**9, source_id="film"))
    used = [StrictBackend()]
    running = Running([camera, film], network("0", used[0]))
    running.wait_for(1, "film")
    for number in range(1, 200):
        used.append(StrictBackend(size=8 + number % 3))
        assert running.pipeline.change_network(network(str(number), used[-1]))
        used[-2].close()
    running.wait_for(len(running.results("film")) + 5, "film")
    running.end(stop=True)
    results = running.results("film")
    assert [result.frame for result in results] == list(range(len(results)))
    for result in (*results, *running.results()):
        assert result.predictions[0].class_id == result.frame % 256
    numbers = [int(engine) for engine, _ in running.voices("film")]
    assert numbers == sorted(set(numbers))
    assert [(int(str(old)), int(str(new))) for old, new, _ in running.told("film")] == list(itertools.pairwise(numbers))
    assert all(backend.clean for backend in used[:-1])


def test_a_change_is_possible_before_and_after_the_run() -> None:
    film = CuedFilm(5, {})
    sink = ListSink()
    pipeline = Pipeline([OpenedCamera("cam", film)], network("a"), [sink])
    assert pipeline.change_network(network("b"))
    pipeline.run()
    assert {record.engine for record in sink.records if isinstance(record, Result)} == {"b"}
    assert [record.details for record in sink.records if isinstance(record, Event)] == [
        {"from": "a", "to": "b", "frame": 0}
    ]
    assert pipeline.change_network(network("c"))  # nobody uses anything any more


def test_a_run_that_ends_while_the_old_network_hangs_lets_the_change_go() -> None:
    old = StrictBackend(3.0)
    running = Running([OpenedCamera("cam", FilmSource(4))], network("old", old))
    while not old.busy.locked():
        time.sleep(0.001)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(running.pipeline.change_network(network("new"))))
    thread.start()
    assert running.end(stop=True).stuck == ("inference",)
    thread.join(2)
    assert answers == [False]


def test_a_cameras_state_says_that_an_engine_stands_in_and_when_it_does_not_any_more() -> None:
    remarks, go, sink = ["rebuilding plan: TensorRT changed"], threading.Event(), ListSink()
    film = CuedFilm(6, {3: go})
    pipeline = Pipeline([OpenedCamera("cam", film)], network("int8"), [sink], remark=lambda: remarks[0])
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not any(isinstance(record, Result) for record in tuple(sink.records)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    remarks[0] = ""
    assert pipeline.change_network(network("plan"))
    go.set()
    thread.join(20)
    told = [(record.state, record.reason) for record in sink.records if isinstance(record, CameraState)]
    assert told == [
        ("starting", "rebuilding plan: TensorRT changed"),
        ("streaming", "rebuilding plan: TensorRT changed"),
        ("streaming", ""),
        ("ended", ""),
    ]
