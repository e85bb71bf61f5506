"""How old a picture is: on a simulated clock that sleeps, and in a process that is stopped."""

import json
import os
import signal
import threading

import numpy as np
import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.freshness import AgeClock, read_clocks
from mnv2_edge.pipeline.pipeline import Network, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import Result
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from support.command import start
from support.fakes import EchoBackend, EchoTask, FilmSource, ListSink

SECOND = 1_000_000_000
IDENTITY = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=ResizePolicy("stretch"))
NETWORK = Network(EchoBackend(), EchoTask(), IDENTITY, "echo@0")


class Machine:
    """Clocks of a machine that can sleep: the monotonic one stands still then."""

    def __init__(self):
        self.monotonic_ns, self.boot_ns = 100 * SECOND, 250 * SECOND

    def run(self, seconds):
        self.monotonic_ns += round(seconds * SECOND)
        self.boot_ns += round(seconds * SECOND)

    def sleep(self, seconds):
        self.boot_ns += round(seconds * SECOND)

    def read(self):
        return self.monotonic_ns, self.boot_ns


@pytest.fixture
def machine():
    return Machine()


def test_a_picture_from_before_a_sleep_is_as_old_as_the_sleep_was_long(machine):
    ages = AgeClock(machine.read)
    machine.run(1)
    captured_ns = machine.monotonic_ns
    machine.run(0.05)
    machine.sleep(60)
    assert ages.age_ns(captured_ns) == round(60.05 * SECOND)
    machine.run(1)
    assert ages.age_ns(captured_ns) == round(61.05 * SECOND)


def test_a_picture_from_after_it_is_young(machine):
    ages = AgeClock(machine.read)
    machine.run(1)
    machine.sleep(60)
    ages.look()
    machine.run(0.5)
    assert ages.age_ns(machine.monotonic_ns - SECOND // 10) == SECOND // 10


def test_several_sleeps_add_up(machine):
    ages = AgeClock(machine.read)
    captured_ns = machine.monotonic_ns
    for _ in range(3):
        machine.run(1)
        machine.sleep(10)
        ages.look()
    assert ages.age_ns(captured_ns) == 33 * SECOND


def test_stopping_between_the_two_clocks_is_no_sleep(machine):
    ages = AgeClock(machine.read)
    machine.boot_ns += SECOND // 20
    assert ages.age_ns(machine.monotonic_ns) == 0


def test_the_real_clocks_run_together():
    monotonic_ns, boot_ns = read_clocks()
    again_ns, boot_again_ns = read_clocks()
    assert abs((boot_again_ns - boot_ns) - (again_ns - monotonic_ns)) < SECOND


class AgedSource(FilmSource):
    """Give frames of which every second one is a minute old."""

    def __iter__(self):
        for index, frame in enumerate(super().__iter__()):
            aged_ns = 60 * SECOND if index % 2 else 0
            yield Frame(np.array(frame.pixels), "RGB", frame.index, frame.captured_ns - aged_ns, frame.source_id)


@pytest.mark.parametrize(("live", "max_age_s", "expired"), [(True, 5.0, True), (True, 0.0, False), (False, 5.0, False)])
def test_old_pictures_of_live_cameras_are_counted_and_not_published(live, max_age_s, expired):
    sink = ListSink()
    camera = OpenedCamera("cam", AgedSource(20, live=live, period_s=0.02), max_age_s=max_age_s)
    outcome = Pipeline([camera], NETWORK, [sink]).run()
    results = [record for record in sink.records if isinstance(record, Result)]
    assert outcome.results == len(results) > 0
    assert any(result.age_ms > 50_000 for result in results) == (not expired)
    ended = sink.records[-1]
    assert (ended.expired > 0) == expired
    assert ended.frames + ended.dropped + ended.expired == 20


def test_after_sigstop_and_sigcont_no_old_result_is_published(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("version: 1\ncameras: [{uri: demo, max_age_s: 0.5}]\n")
    process = start("run", "--config", config, "--format", "jsonl", home=tmp_path)
    try:
        assert process.stdout is not None
        for _ in range(30):
            process.stdout.readline()
        for _ in range(3):
            os.kill(process.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            threading.Event().wait(1.0)  # twice `max_age_s`, in which the process does nothing
            os.kill(process.pid, signal.SIGCONT)
            for _ in range(40):  # what was in the pipe already, and what came after
                assert json.loads(process.stdout.readline())["age_ms"] < 500
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
