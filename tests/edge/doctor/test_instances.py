import os
from dataclasses import replace

import pytest

from mnv2_edge.doctor.machine import this_machine
from mnv2_edge.doctor.service.instances import check_service
from mnv2_edge.errors import AccessError
from mnv2_edge.service.systemd import UnitState

RUNS = UnitState(
    state="active",
    sub="running",
    result="success",
    exit_status=None,
    restarts=0,
    status="30 frames/s",
    starts_at_boot=True,
)
DOWN = replace(
    RUNS, state="failed", sub="failed", result="exit-code", exit_status=78, status="", error="door.yaml:4: x"
)


@pytest.fixture
def look(tmp_path):
    """Return what checks a machine with these instances."""

    def check(**units):
        folder = tmp_path / "etc/mnv2-edge"
        folder.mkdir(parents=True)
        for name in units:
            (folder / f"{name}.yaml").touch()
        return check_service(replace(this_machine((), tmp_path), root=tmp_path, read_unit=units.__getitem__))

    return check


def test_none_is_no_fault(look):
    assert look().verdict == "ok"


def test_all_of_them_run(look):
    finding = look(door=RUNS, yard=RUNS)
    assert (finding.verdict, finding.why) == ("ok", "door: 30 frames/s; yard: 30 frames/s")


def test_one_that_is_down_is_named_with_its_reason(look):
    finding = look(door=RUNS, yard=DOWN)
    assert finding.verdict == "fail"
    assert finding.why.startswith("yard is failed (exit status 78: a wrong configuration")
    assert "door.yaml:4" in finding.why
    assert finding.mend == "mnv2-edge service logs yard"


def test_one_that_is_started_again_and_again_is_told_of(look):
    finding = look(door=replace(RUNS, restarts=12))
    assert (finding.verdict, finding.why) == ("warn", "door was started again 12 times")


def test_one_that_is_being_started_is_no_failure(look):
    """An engine may have to be built first, for minutes."""
    finding = look(door=replace(RUNS, state="activating", sub="start", status="building the engine"))
    assert (finding.verdict, finding.why) == ("warn", "door is activating (building the engine)")


def test_one_that_waits_to_be_started_again_is_one(look):
    finding = look(door=replace(DOWN, state="activating", sub="auto-restart", exit_status=69))
    assert finding.verdict == "fail"
    assert "exit status 69" in finding.why


def test_one_that_nobody_wants_is_no_failure(look):
    finding = look(door=RUNS, old=replace(RUNS, state="inactive", sub="dead", status="", starts_at_boot=False))
    assert (finding.verdict, finding.why) == ("warn", "old is stopped, and not started at boot either")
    assert finding.mend == "sudo systemctl enable --now mnv2-edge@old.service"


def test_all_that_are_down_are_told_of_when_one_is_broken(look):
    unwanted = replace(RUNS, state="inactive", sub="dead", status="", starts_at_boot=False)
    finding = look(old=unwanted, yard=DOWN)
    assert (finding.verdict, finding.mend) == ("fail", "mnv2-edge service logs yard")
    assert "old is stopped" in finding.why


def test_a_container_has_no_systemd(tmp_path):
    """In which there may well be a configuration, where the service would have it."""
    (tmp_path / "etc/mnv2-edge").mkdir(parents=True)
    (tmp_path / "etc/mnv2-edge/door.yaml").touch()

    def missing(_name):
        raise AccessError("systemctl cannot be run")

    machine = replace(this_machine((), tmp_path), root=tmp_path, read_unit=missing)
    assert check_service(machine).verdict == "ok"


def test_a_systemd_that_does_not_answer_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "systemctl").write_text("#!/bin/sh\nsleep 600\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("mnv2_edge.doctor.machine._PATIENCE_S", 0.2)
    (tmp_path / "etc/mnv2-edge").mkdir(parents=True)
    (tmp_path / "etc/mnv2-edge/door.yaml").touch()
    finding = check_service(replace(this_machine((), tmp_path), root=tmp_path))
    assert (finding.verdict, finding.why) == ("warn", "systemd does not answer, so nothing is known of door")
    monkeypatch.setenv("PATH", "/nowhere")
    assert check_service(replace(this_machine((), tmp_path), root=tmp_path)).verdict == "ok"
