import threading
import time

import pytest

from mnv2_edge.errors import SourceError, TemporaryError
from mnv2_edge.host.clock import Clock, Timer
from mnv2_edge.pipeline.board_limits import LimitState
from mnv2_edge.pipeline.frame_gate import GateSettings
from mnv2_edge.pipeline.pipeline import Network, Outcome, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.pipeline.throttle import Slowdown
from mnv2_edge.records import CameraState, Event, Record, Result
from mnv2_edge.sources import FrameSource
from mnv2_engines.errors import InferenceError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import FloatArray, TensorArray
from support.fakes import EchoBackend, EchoTask, FilmSource, HangingSource, ListSink
from support.watching import FastTimer

IDENTITY = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=ResizePolicy("stretch"))


def run(
    *cameras: OpenedCamera,
    backend: EchoBackend | None = None,
    max_frames: int | None = None,
    stop_after_s: float | None = None,
    sink: ListSink | None = None,
    timer: Timer | None = None,
) -> tuple[list[Result], list[CameraState], Outcome]:
    sink = sink or ListSink()
    network = Network(backend or EchoBackend(), EchoTask(), IDENTITY, "echo@0")
    pipeline = Pipeline(cameras, network, [sink], device="dev", clock=Clock(), timer=timer)
    stop = threading.Event()
    if stop_after_s is not None:
        threading.Timer(stop_after_s, stop.set).start()
    outcome = pipeline.run(stop, max_frames=max_frames)
    results = [record for record in sink.records if isinstance(record, Result)]
    return results, [record for record in sink.records if isinstance(record, CameraState)], outcome


def test_a_film_flat_out_gives_every_frame_once_in_order_with_its_own_prediction() -> None:
    results, states, outcome = run(OpenedCamera("cam", FilmSource(300)))
    assert [result.frame for result in results] == list(range(300))
    assert [result.predictions[0].label for result in results] == [str(index % 256) for index in range(300)]
    assert (outcome.results, outcome.dropped, outcome.stuck) == (300, 0, ())
    assert [state.state for state in states] == ["starting", "streaming", "ended"]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_film_ends_when_its_last_result_is_out(count: int) -> None:
    sink = ListSink()
    _, states, _ = run(OpenedCamera("cam", FilmSource(count)), backend=EchoBackend(0.02), sink=sink)
    assert sink.records[-1] is states[-1]
    assert (states[-1].state, states[-1].frames) == ("ended", count)


def test_so_does_one_that_is_cut_short_and_one_without_frames() -> None:
    sink = ListSink()
    _, states, _ = run(OpenedCamera("cam", FilmSource(10**6)), max_frames=3, sink=sink)
    assert sink.records[-1] is states[-1]
    assert (states[-1].state, states[-1].frames) == ("ended", 3)
    _, states, _ = run(OpenedCamera("cam", FilmSource(0)))
    assert [state.state for state in states] == ["starting", "ended"]


def test_a_live_camera_with_a_slow_engine_drops_exactly_what_was_not_inferred() -> None:
    source = FilmSource(60, live=True, period_s=0.005)
    results, _, outcome = run(OpenedCamera("cam", source), backend=EchoBackend(0.03))
    assert source.given == 60
    assert outcome.dropped > 20
    assert outcome.results + outcome.dropped == 60
    assert results[-1].frame == 59
    assert [result.frame for result in results] == sorted({result.frame for result in results})


def test_a_password_in_a_fault_is_published_nowhere() -> None:
    fault = SourceError("rtsp://ann:swordfish@door/live gives nothing")
    sink = ListSink()

    def reopen() -> FrameSource:
        raise fault

    camera = OpenedCamera("cam", FilmSource(1, endless=True, live=True, error=fault), reopen)
    _, states, _ = run(camera, stop_after_s=0.3, sink=sink)
    published = [state.reason for state in states]
    published += [str(record.details["reason"]) for record in sink.records if isinstance(record, Event)]
    assert published.count("rtsp://ann:***@door/live gives nothing") == 2
    assert not any("swordfish" in text for text in published)


def test_the_age_of_a_result_does_not_grow_when_the_engine_is_slow() -> None:
    results, _, _ = run(OpenedCamera("cam", FilmSource(120, live=True, period_s=0.005)), backend=EchoBackend(0.03))
    ages = [result.age_ms for result in results]
    assert max(ages[len(ages) // 2 :]) < 30 + 3 * 30  # one inference, and slack; a queue would make it 600


def test_a_record_says_where_the_time_went() -> None:
    results, _, _ = run(OpenedCamera("cam", FilmSource(3)), backend=EchoBackend(0.01))
    for result in results:
        latency = result.latency
        assert latency.infer_ms >= 10
        assert min(latency.prepare_ms, latency.wait_ms, latency.decode_ms) >= 0
        parts = latency.prepare_ms + latency.wait_ms + latency.infer_ms + latency.decode_ms
        assert result.age_ms == pytest.approx(parts, abs=0.01)
        assert (result.width, result.height, result.engine, result.device) == (8, 8, "echo@0", "dev")


def test_two_cameras_share_one_engine_fairly() -> None:
    cameras = [OpenedCamera(name, FilmSource(1000, live=True, period_s=0.001, source_id=name)) for name in ("a", "b")]
    results, _, _ = run(*cameras, backend=EchoBackend(0.01), stop_after_s=0.6)
    counts = [sum(result.camera == name for result in results) for name in ("a", "b")]
    assert min(counts) >= 10
    assert abs(counts[0] - counts[1]) <= 2


def test_max_frames_is_exact() -> None:
    results, states, outcome = run(OpenedCamera("cam", FilmSource(100)), max_frames=7)
    assert len(results) == outcome.results == 7
    assert states[-1].state == "ended"


def test_a_camera_that_failed_is_told_and_the_other_goes_on() -> None:
    broken = OpenedCamera("broken", FilmSource(1, endless=True, source_id="broken", error=SourceError("gone")))
    results, states, outcome = run(broken, OpenedCamera("good", FilmSource(50, source_id="good")))
    assert sum(result.camera == "good" for result in results) == 50
    assert outcome.failed == "gone"
    assert ("broken", "failed") in [(state.camera, state.state) for state in states]


def test_a_bug_in_a_source_ends_the_run_at_once() -> None:
    endless = FilmSource(10**9, live=True, period_s=0.01)
    with pytest.raises(ZeroDivisionError):
        run(
            OpenedCamera("bad", FilmSource(1, source_id="bad", error=ZeroDivisionError())), OpenedCamera("cam", endless)
        )
    assert endless.closed.is_set()


def test_an_engine_that_refuses_ends_the_run_with_its_error() -> None:
    class Refusing(EchoBackend):
        def infer(self, buffer: TensorArray) -> list[FloatArray]:
            raise InferenceError("no")

    with pytest.raises(InferenceError):
        run(OpenedCamera("cam", FilmSource(10**9, live=True, period_s=0.01)), backend=Refusing())


def test_stop_ends_a_run_quickly_also_with_a_thread_stuck_in_a_driver() -> None:
    source = HangingSource()
    began = time.monotonic()
    _, _, outcome = run(OpenedCamera("cam", source), stop_after_s=0.1)
    assert time.monotonic() - began < 1.0
    assert outcome.stuck == ("capture of cam",)
    source.let_go.set()


def test_stop_ends_a_run_quickly_also_with_the_engine_stuck() -> None:
    began = time.monotonic()
    _, _, outcome = run(OpenedCamera("cam", FilmSource(5)), backend=EchoBackend(3.0), stop_after_s=0.1)
    assert time.monotonic() - began < 1.0
    assert outcome.stuck == ("inference",)


def test_a_run_ends_when_nobody_can_hear_it_any_more() -> None:
    class Deaf(ListSink):
        def publish(self, record: object) -> None:
            self.broken = "the reader has gone"

    _, _, outcome = run(OpenedCamera("cam", FilmSource(10**9, live=True, period_s=0.001)), sink=Deaf())
    assert outcome.results < 10**4
    assert outcome.sink_failed == ""


def test_a_sink_that_broke_by_its_own_fault_is_told_at_the_end_also_when_others_went_on() -> None:
    class Faulty(ListSink):
        def publish(self, record: object) -> None:
            self.failed, self.broken = True, "the disk is gone"

    healthy = ListSink()
    network = Network(EchoBackend(), EchoTask(), IDENTITY, "echo@0")
    outcome = Pipeline([OpenedCamera("cam", FilmSource(5))], network, [Faulty(), healthy]).run()
    assert (outcome.results, outcome.sink_failed) == (5, "the disk is gone")
    assert len(healthy.records) == 8


class TestSupervision:
    @staticmethod
    def events(sink: ListSink) -> list[Event]:
        return [record for record in sink.records if isinstance(record, Event)]

    def test_a_hung_read_is_replaced_in_the_same_process_and_the_outage_is_published(self) -> None:
        hung = HangingSource()
        camera = OpenedCamera("cam", hung, lambda: FilmSource(10**9, live=True, endless=True, period_s=0.002))
        sink = ListSink()
        results, states, outcome = run(camera, sink=sink, timer=FastTimer(50), max_frames=20)
        hung.let_go.set()
        assert [state.state for state in states][:5] == [
            "starting", "streaming", "stalled", "reconnecting", "streaming"
        ]  # fmt: skip
        assert [result.frame for result in results] == sorted({result.frame for result in results})
        (event,) = self.events(sink)
        assert (event.event, event.camera, event.device) == ("outage", "cam", "dev")
        assert event.details["recovered"] is True
        assert event.details["seconds"] >= 5
        assert event.details["began"] < event.details["ended"]
        assert outcome.stuck == ("capture of cam",)

    def test_one_camera_that_is_away_leaves_the_others_alone(self) -> None:
        def absent() -> FrameSource:
            raise SourceError("not there")

        good = OpenedCamera("good", FilmSource(10**9, live=True, endless=True, period_s=0.005, source_id="good"))
        results, states, _ = run(OpenedCamera("away", None, absent), good, stop_after_s=0.5)
        assert len(results) > 40
        assert [state.state for state in states if state.camera == "away"] == ["starting", "reconnecting", "ended"]
        assert [state.state for state in states if state.camera == "good"] == ["starting", "streaming", "ended"]

    def test_a_second_hung_read_ends_the_run_with_temporary_error(self) -> None:
        sources = [HangingSource(), HangingSource()]
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            run(OpenedCamera("cam", sources[0], lambda: sources[1]), timer=FastTimer(100))
        assert time.monotonic() - began < 3
        for source in sources:
            source.let_go.set()

    def test_what_is_held_back_is_counted_in_results_and_states(self) -> None:
        film = FilmSource(200, live=True, period_s=0.005)
        began = time.monotonic()
        results, states, outcome = run(OpenedCamera("cam", film, gate=GateSettings(max_rate=20)))
        assert 15 <= outcome.results <= 20 * (time.monotonic() - began) + 5  # a busy machine plays the film slower
        assert results[-1].gated > 100
        told = states[-1].gated + states[-1].frames + states[-1].dropped
        assert 199 <= told <= 200  # the end is told while the last frame may still be looked at


class TestSignsOfLife:
    """`on_alive` is called while no thread hangs; a service's watchdog is fed by nothing else."""

    @staticmethod
    def signs(camera: OpenedCamera, backend: EchoBackend, seconds: float) -> list[float]:
        network = Network(backend, EchoTask(), IDENTITY, "echo@0")
        began, signs = time.monotonic(), []
        pipeline = Pipeline([camera], network, [], on_alive=lambda: signs.append(time.monotonic() - began))
        stop = threading.Event()
        threading.Timer(seconds, stop.set).start()
        pipeline.run(stop)
        return signs

    def test_they_come_while_frames_do(self) -> None:
        signs = self.signs(OpenedCamera("cam", FilmSource(10**9, live=True, period_s=0.01)), EchoBackend(), 0.8)
        assert len(signs) >= 4

    def test_they_come_while_the_camera_is_away(self) -> None:
        def absent() -> FrameSource:
            raise SourceError("not there")

        assert len(self.signs(OpenedCamera("cam", None, absent), EchoBackend(), 0.8)) >= 4

    def test_they_end_when_inference_does_not_return(self) -> None:
        signs = self.signs(OpenedCamera("cam", FilmSource(5, live=True, period_s=0.01)), EchoBackend(3.0), 1.0)
        assert len(signs) <= 3

    def test_they_come_while_a_reader_of_results_is_slow(self) -> None:
        class Slow(ListSink):
            def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
                time.sleep(timeout_s)
                return False

        network, signs, stop = Network(EchoBackend(), EchoTask(), IDENTITY, "echo@0"), [], threading.Event()
        pipeline = Pipeline([OpenedCamera("cam", FilmSource(5))], network, [Slow()], on_alive=lambda: signs.append(1))
        threading.Timer(1.0, stop.set).start()
        pipeline.run(stop)
        assert len(signs) >= 5


def test_a_slowdown_is_told_of_live_cameras_when_it_begins_changes_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnv2_edge.pipeline.throttle.LOOK_S", 0.05)
    hot, over, sink = threading.Event(), threading.Event(), ListSink()

    def sense() -> tuple[LimitState, ...]:
        return (
            LimitState("heat", hot.is_set(), not hot.is_set(), "hot" if hot.is_set() else "cool", {"celsius": 81.5}),
        )

    class Turn:
        """Heat it when one camera has ended, cool it at the least share, and end the run when all is well again."""

        def publish(self, record: Record) -> None:
            if isinstance(record, CameraState) and record.state == "ended" and record.camera == "short":
                hot.set()
            if isinstance(record, Event) and record.details["share"] == 0.125:
                hot.clear()
            if (
                isinstance(record, CameraState)
                and record.camera == "door"
                and record.reason == "so so"
                and over.is_set()
            ):
                stop.set()
            if isinstance(record, Event) and record.details["share"] == 1.0:
                over.set()

    stop = threading.Event()
    cameras = [
        OpenedCamera("door", FilmSource(10**6, live=True, period_s=0.001, source_id="door")),
        OpenedCamera("film", FilmSource(10**6, period_s=0.001, source_id="film")),
        OpenedCamera("short", FilmSource(3, live=True, source_id="short")),
    ]
    network = Network(EchoBackend(), EchoTask(), IDENTITY, "echo@0")
    pipeline = Pipeline(cameras, network, [sink], observers=[Turn()], slowdown=Slowdown(sense), remark=lambda: "so so")
    pipeline.run(stop)

    told = [record for record in sink.records if record.camera == "door" and not isinstance(record, Result)]
    shares = [record.details["share"] for record in told if isinstance(record, Event)]
    assert shares == [0.5, 0.25, 0.125, 0.25, 0.5, 1.0]
    assert [(record.state, record.reason) for record in told if isinstance(record, CameraState)] == [
        ("starting", "so so"),
        ("streaming", "so so"),
        ("streaming", "so so; slowed down to 1/2: hot"),
        ("streaming", "so so; slowed down to 1/4: hot"),
        ("streaming", "so so; slowed down to 1/8: hot"),
        ("streaming", "so so; slowed down to 1/4: cool"),
        ("streaming", "so so; slowed down to 1/2: cool"),
        ("streaming", "so so"),
        ("ended", "stopped"),
    ]
    assert told[-1].gated > 0
    film = [record for record in sink.records if record.camera == "film"]
    assert not any(isinstance(record, Event) for record in sink.records if record.camera != "door")
    assert {record.reason for record in film if isinstance(record, CameraState)} == {"so so", "stopped"}
    frames = [record.frame for record in film if isinstance(record, Result)]
    assert frames == list(range(len(frames)))
