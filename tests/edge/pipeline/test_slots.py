import threading
import time

import numpy as np

from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.slots import FrameSlots, Lane
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import TensorArray, UInt8Array

VIEW = View(0, 0, 1, 1, 0, 0, 1, 1, 1, 1)


class CountingPreparer:
    """Write the first pixel into the buffer and count its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def prepare(self, pixels: UInt8Array, color: str, out: TensorArray) -> View:
        self.calls += 1
        out[...] = pixels[0, 0, 0]
        return VIEW


class Input:
    """The side of a network that `FrameSlots` sees: buffers of a few values, and preparers that can be looked at."""

    def __init__(self, size: int = 1) -> None:
        self.preparers: list[CountingPreparer] = []
        self.backend = self
        self._size = size

    def allocate_input(self) -> TensorArray:
        return np.zeros(self._size, np.uint8)

    def make_preparer(self) -> CountingPreparer:
        self.preparers.append(CountingPreparer())
        return self.preparers[-1]


class Setup:
    """`FrameSlots` with lanes."""

    def __init__(self, *live: bool) -> None:
        self.network = Input()
        self.slots = FrameSlots(self.network)
        self.lanes = [self.slots.add_lane(live=is_live) for is_live in live]

    @property
    def preparers(self) -> list[CountingPreparer]:
        return self.network.preparers

    def take(self) -> tuple[Lane, Frame, int]:
        taken = self.slots.take(5.0)
        assert taken is not None
        lane, ready = taken
        value = int(ready.buffer[0])
        self.slots.release(ready)
        return lane, ready.frame, value


def frame(index: int, camera: str = "cam") -> Frame:
    return Frame(np.full((1, 1, 3), index, np.uint8), "RGB", index, time.monotonic_ns(), camera)


def test_the_newest_frame_wins_and_the_older_ones_are_counted() -> None:
    setup = Setup(True)
    (lane,) = setup.lanes
    for index in range(5):
        assert lane.offer(frame(index))
    assert lane.dropped == 4
    taken_lane, taken, value = setup.take()
    assert (taken_lane, taken.index, value) == (lane, 4, 4)


def test_only_the_first_and_the_taken_frame_are_prepared_when_the_engine_is_slow() -> None:
    setup = Setup(True)
    (lane,) = setup.lanes
    for index in range(100):
        lane.offer(frame(index))
    setup.take()
    assert sum(preparer.calls for preparer in setup.preparers) == 2


def test_a_frame_is_prepared_on_the_capture_thread_when_the_engine_keeps_up() -> None:
    setup = Setup(True)
    (lane,) = setup.lanes
    capture, inference = setup.preparers
    for index in range(10):
        lane.offer(frame(index))
        assert setup.take()[2] == index
    assert (capture.calls, inference.calls) == (10, 0)
    assert lane.dropped == 0


def test_a_file_waits_for_its_reader_and_loses_nothing() -> None:
    setup = Setup(False)
    (lane,) = setup.lanes

    def read() -> None:
        for index in range(50):
            lane.offer(frame(index))
        lane.finish()

    thread = threading.Thread(target=read)
    thread.start()
    seen = []
    while (taken := setup.slots.take(5.0)) is not None:
        seen.append((taken[1].frame.index, int(taken[1].buffer[0])))
        setup.slots.release(taken[1])
    thread.join()
    assert seen == [(index, index) for index in range(50)]
    assert lane.dropped == 0
    assert setup.slots.finished


def test_lanes_take_turns() -> None:
    setup = Setup(True, True, True)
    order = []
    for _ in range(4):
        for position, lane in enumerate(setup.lanes):
            lane.offer(frame(position, f"cam{position}"))
        order += [setup.take()[1].source_id for _ in range(3)]
    assert order == ["cam0", "cam1", "cam2"] * 4


def test_a_busy_lane_does_not_starve_another() -> None:
    setup = Setup(True, True)
    busy, rare = setup.lanes
    busy.offer(frame(0))
    rare.offer(frame(1))
    assert setup.take()[0] is busy
    busy.offer(frame(2))
    assert setup.take()[0] is rare


def test_closing_wakes_a_waiting_file_and_a_waiting_engine() -> None:
    setup = Setup(False)
    (lane,) = setup.lanes
    lane.offer(frame(0))
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(lane.offer(frame(1))))]
    threads[0].start()
    time.sleep(0.05)
    setup.slots.close()
    threads[0].join(5)
    assert answers == [False]
    assert setup.slots.take(5.0) is None


def test_taking_gives_up_after_its_time_and_when_all_lanes_are_done() -> None:
    setup = Setup(True)
    assert setup.slots.take(0.01) is None
    assert not setup.slots.finished
    setup.lanes[0].finish()
    assert setup.slots.take(5.0) is None
    assert setup.slots.finished


def test_buffers_never_run_out_under_load() -> None:
    setup = Setup(True, False)
    live, file = setup.lanes
    stop = threading.Event()

    def flood(lane: Lane) -> None:
        index = 0
        while not stop.is_set() and lane.offer(frame(index % 256)):
            index += 1

    threads = [threading.Thread(target=flood, args=(lane,)) for lane in (live, file)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        _, taken, value = setup.take()
        assert value == taken.index
    stop.set()
    setup.slots.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
