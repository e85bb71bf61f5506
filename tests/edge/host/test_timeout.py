"""What the kernel does not answer holds nobody up."""

import threading
from pathlib import Path

import pytest

from mnv2_edge.doctor import Check, examine
from mnv2_edge.doctor.device.hardware import check_cameras
from mnv2_edge.doctor.machine import this_machine
from mnv2_edge.host.timeout import TimedCall


@pytest.fixture
def never():
    """Return what does not come back before the test is over."""
    over = threading.Event()
    yield lambda _path: over.wait(60)
    over.set()


def test_an_answer_and_an_error_are_handed_on() -> None:
    assert TimedCall(lambda number: number + 1, 60)(2) == 3
    with pytest.raises(FileNotFoundError):
        TimedCall(Path.stat, 60)(Path("/nowhere"))


def test_no_answer(never) -> None:
    with pytest.raises(TimeoutError):
        TimedCall(never, 0.05)(Path("/mnt"))


def test_a_camera_whose_driver_hangs_is_a_failed_check(never, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("mnv2_edge.doctor.machine._PATIENCE_S", 0.05)
    monkeypatch.setattr("mnv2_edge.doctor.machine.probe_node", never)
    monkeypatch.setattr("mnv2_edge.doctor.machine.list_cameras", lambda probe: (probe(Path("/dev/video0")),))
    ((_, finding),) = examine(this_machine((), tmp_path), [Check("cameras", check_cameras)])
    assert finding.verdict == "fail"
    assert finding.why.startswith("/dev/video0 cannot be looked at: its driver does not answer")
