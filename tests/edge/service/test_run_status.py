from contextlib import closing

import pytest

from mnv2_edge.host.clock import Clock, Timer
from mnv2_edge.records import CameraState, Latency, Result
from mnv2_edge.service.run_status import ServiceReport
from mnv2_edge.service.sd_notify import Notifier
from mnv2_engines.predictions import Prediction
from support.service_manager import ServiceManager

NOW = Clock().stamp(0)


class SetTimer(Timer):
    """Stand still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)


def state(name: str, reason: str = "", camera: str = "door") -> CameraState:
    return CameraState("dev", camera, name, reason, NOW, frames=0, dropped=0, skipped=0, reopened=0, gated=0)


def result(label: str) -> Result:
    latency, predictions = Latency(0.0, 0.0, 0.0, 0.0), (Prediction(0, label, 1.0),)
    return Result("dev", "door", 0, NOW, 0.0, 0, 0, latency, "e@0", "classify", predictions, 8, 8, summary=label)


@pytest.fixture
def manager(tmp_path):
    with closing(ServiceManager(tmp_path)) as manager:
        yield manager


@pytest.fixture
def timer():
    return SetTimer()


@pytest.fixture
def report(manager, timer):
    with closing(Notifier(manager.address)) as notifier:
        yield ServiceReport(notifier, watchdog_s=20.0, timer=timer)


def test_ready_is_the_first_sign_of_life_and_no_frame(report, manager):
    report.publish(state("reconnecting", "no such device"))
    assert manager.read() == []
    report.alive()
    report.alive()
    assert manager.read() == [{"READY": "1", "STATUS": "door reconnecting (no such device)"}]


def test_the_watchdog_is_fed_while_there_are_signs_of_life_and_not_at_each_of_them(report, manager, timer):
    for _ in range(200):
        timer.seconds += 0.1
        report.alive()
        manager.read()
    fed = [message for message in manager.read() if "WATCHDOG" in message]
    assert 8 <= len(fed) <= 10
    timer.seconds += 100
    assert [message for message in manager.read() if "WATCHDOG" in message] == fed


def test_without_a_watchdog_it_is_not_fed(manager, timer):
    with closing(Notifier(manager.address)) as notifier:
        report = ServiceReport(notifier, timer=timer)
        for _ in range(100):
            timer.seconds += 1
            report.alive()
        report.slow("building", 300)
    assert not [message for message in manager.read() if {"WATCHDOG", "WATCHDOG_USEC"} & set(message)]


def test_the_status_has_rate_states_and_label(report, manager, timer):
    report.alive()
    report.publish(state("streaming"))
    for _ in range(100):
        report.publish(result("stop sign"))
    timer.seconds += 5
    report.alive()
    assert manager.read()[-1]["STATUS"] == "20.0 frames/s; door streaming; last seen: stop sign"
    timer.seconds += 5
    report.alive()
    assert manager.read()[-1]["STATUS"] == "0.0 frames/s; door streaming; last seen: stop sign"


def test_a_status_comes_soon_after_a_change_and_seldom_else(report, manager, timer):
    report.alive()
    for tick in range(150):
        timer.seconds += 0.1
        if tick == 100:
            report.publish(state("stalled", "no frame for 5 s"))
        report.alive()
        manager.read()
    statuses = [message["STATUS"] for message in manager.read() if "STATUS" in message]
    assert len(statuses) <= 5
    assert "door stalled (no frame for 5 s)" in statuses[-1]


def test_patience_is_asked_for_and_taken_back(report, manager):
    report.slow("opening", 300)
    assert manager.read() == [
        {"STATUS": "opening", "EXTEND_TIMEOUT_USEC": "300000000"},
        {"WATCHDOG_USEC": "300000000"},
    ]
    report.alive()
    report.alive()
    assert manager.read()[2:] == [{"WATCHDOG": "1", "WATCHDOG_USEC": "20000000"}, {"READY": "1", "STATUS": ""}]


def test_a_reload_says_when_it_began_and_is_over_with_the_next_sign_of_life(report, manager):
    report.alive()
    report.reloading()
    report.note("the new configuration was not taken: door.yaml:3: rtsp://ann:hush@door is wrong")
    report.alive()
    _, reloading, ready = manager.read()
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert ready["READY"] == "1"
    assert ready["STATUS"] == "the new configuration was not taken: door.yaml:3: rtsp://ann:***@door is wrong"


def test_the_end_is_told(report, manager):
    report.stopping()
    assert manager.read() == [{"STOPPING": "1", "STATUS": "stopping"}]
