import pytest

from mnv2_edge.host.clock import Clock
from mnv2_edge.inference.network import Network
from mnv2_edge.pipeline.capture import Capture, CaptureListener
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.pipeline.slots import FrameSlots
from mnv2_edge.pipeline.state_reports import Reporter
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from support.fakes import EchoBackend, EchoTask, FilmSource, ListSink

IDENTITY = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=ResizePolicy("stretch"))


class Told:
    """A camera that never gives a frame, and what is said of it."""

    def __init__(self) -> None:
        self.remark = lambda: ""
        self.sink = ListSink()
        self.reporter = Reporter("dev", Clock(), self.sink.publish, lambda _: self.remark())
        lane = FrameSlots(Network(EchoBackend(), EchoTask(), IDENTITY, "echo@0")).add_lane(live=True)
        camera = OpenedCamera(
            "cam", FilmSource(0, live=True, endless=True), lambda: FilmSource(0, live=True, endless=True)
        )
        listener = CaptureListener(self.reporter.state, self.reporter.outage, lambda: None)
        self.capture = Capture(camera, lane, listener)

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(record.state, record.reason) for record in self.sink.records]


@pytest.fixture
def told() -> Told:
    told = Told()
    told.reporter.state(told.capture, "starting", "")
    return told


def test_a_remark_is_told_once_and_taken_back_once(told: Told) -> None:
    told.remark = lambda: "slowed down"
    for _ in range(3):
        told.reporter.refresh(told.capture)
    told.remark = lambda: ""
    for _ in range(3):
        told.reporter.refresh(told.capture)
    assert told.states == [("starting", ""), ("starting", "slowed down"), ("starting", "")]


def test_a_camera_that_goes_while_it_is_looked_at_is_told_of_once(told: Told) -> None:
    """Its own thread tells of it; a second time, or after its end, would be too much."""

    def remark() -> str:
        if told.capture.state == "starting":
            told.capture.lost("unplugged", None)
        return "slowed down"

    told.remark = remark
    told.reporter.refresh(told.capture)
    told.reporter.refresh(told.capture)
    assert told.states == [("starting", ""), ("reconnecting", "unplugged")]
