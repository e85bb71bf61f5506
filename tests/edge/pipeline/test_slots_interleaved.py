"""`FrameSlots` under hundreds of interleavings: two cameras, an inference thread, and networks that change under it."""

import numpy as np
import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.slots import FrameSlots, Lane, ReadyFrame
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import TensorArray, UInt8Array
from support.interleaving import DeadlockError, Scheduler

VIEW = View(0, 0, 1, 1, 0, 0, 1, 1, 1, 1)
FRAMES = 4


class Input:
    """A network as `FrameSlots` sees it. It knows when it was closed, and its buffers hold who wrote into them."""

    def __init__(self, number: int, scheduler: Scheduler) -> None:
        self.number = number
        self.closed = False
        self.backend = self
        self._scheduler = scheduler

    def allocate_input(self) -> TensorArray:
        return np.zeros(3, np.uint8)

    def make_preparer(self) -> "Input":
        return self

    def prepare(self, pixels: UInt8Array, color: str, out: TensorArray) -> View:
        for place, value in enumerate((self.number, *pixels[0, 0, :2])):
            assert not self.closed
            out[place] = value
            self._scheduler.step()
        assert not self.closed
        return VIEW

    def look(self, ready: ReadyFrame) -> None:
        for _ in range(2):
            assert not self.closed
            assert ready.buffer.tolist() == [self.number, *ready.frame.pixels[0, 0, :2]]
            self._scheduler.step()


class Scene:
    """A live camera, a file, an inference thread, and somebody who changes the network `changes` times."""

    def __init__(self, seed: int, *, changes: int, close: bool = False) -> None:
        self.scheduler = Scheduler(seed)
        self._late = seed % 50
        self.networks = [Input(number, self.scheduler) for number in range(changes + 1)]
        self.slots = FrameSlots(self.networks[0])
        self.slots._changed = self.scheduler.condition()
        self.lanes = [self.slots.add_lane(live=live) for live in (True, False)]
        self.taken: dict[Lane, list[int]] = {lane: [] for lane in self.lanes}
        self.offered: dict[Lane, int] = dict.fromkeys(self.lanes, 0)
        self.ends: list[Lane] = []
        self.changed: list[bool] = []
        for number, lane in enumerate(self.lanes):
            self.scheduler.spawn(f"camera {number}", lambda number=number, lane=lane: self._capture(number, lane))
        self.scheduler.spawn("inference", self._infer)
        self.scheduler.spawn("change", self._change)
        if close:
            self.scheduler.spawn("close", self._close)

    def _capture(self, number: int, lane: Lane) -> None:
        for index in range(FRAMES):
            pixels = np.full((1, 1, 3), (number, index, 0), np.uint8)
            if not lane.offer(Frame(pixels, "RGB", index, 0, f"cam{number}")):
                break
            self.offered[lane] += 1
        if lane.finish():
            self.ends.append(lane)

    def _infer(self) -> None:
        while (taken := self.slots.take()) is not None:
            lane, ready = taken
            ready.network.look(ready)
            self.taken[lane].append(ready.frame.index)
            self.slots.release(ready)
            if self.slots.told(lane):
                self.ends.append(lane)

    def _change(self) -> None:
        for _ in range(self._late):  # also when the cameras have ended and one frame is left
            self.scheduler.step()
        for before, after in zip(self.networks, self.networks[1:], strict=False):
            self.changed.append(self.slots.change_network(after))
            before.closed = self.changed[-1]

    def _close(self) -> None:
        for _ in range(20):
            self.scheduler.step()
        self.slots.close()


def check(scene: Scene) -> None:
    """Hold a run that was not closed to what it promises: the networks themselves have checked the rest."""
    camera, film = scene.lanes
    assert scene.taken[film] == list(range(FRAMES))
    assert scene.taken[camera] == sorted(set(scene.taken[camera]))
    assert scene.taken[camera][-1] == FRAMES - 1
    assert len(scene.taken[camera]) + camera.dropped == FRAMES
    assert sorted(map(id, scene.ends)) == sorted(map(id, scene.lanes))
    assert all(scene.changed)
    assert scene.slots.finished


@pytest.mark.parametrize("changes", [0, 1, 3])
def test_every_frame_goes_through_an_open_network_and_none_is_lost(changes: int) -> None:
    outcomes = set()
    for seed in range(150):
        scene = Scene(seed, changes=changes)
        scene.scheduler.run()
        check(scene)
        outcomes.add(tuple(scene.taken[scene.lanes[0]]))
    assert len(outcomes) > 3  # else nothing was interleaved


def test_closing_lets_everybody_go() -> None:
    finished = set()
    for seed in range(150):
        scene = Scene(seed, changes=2, close=True)
        scene.scheduler.run()
        assert scene.taken[scene.lanes[1]] == list(range(len(scene.taken[scene.lanes[1]])))
        finished.add(sum(map(len, scene.taken.values())))
    assert len(finished) > 3


def test_a_forgotten_wake_up_would_show() -> None:
    """Whoever waits is woken by a notification alone, as with a real condition."""
    ended = []
    for seed in range(20):
        scheduler = Scheduler(seed)
        condition, done = scheduler.condition(), []

        def wait(condition=condition, done=done) -> None:
            with condition:
                condition.wait_for(lambda: done)

        def forget_to_tell(condition=condition, done=done) -> None:
            with condition:
                done.append(1)

        scheduler.spawn("wait", wait)
        scheduler.spawn("tell", forget_to_tell)
        try:
            scheduler.run()
            ended.append(True)
        except DeadlockError:
            ended.append(False)
    assert set(ended) == {True, False}
