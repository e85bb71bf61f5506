from dataclasses import replace

import pytest

from mnv2_edge.doctor.service import check_service
from mnv2_edge.doctor.this_machine import this_machine
from mnv2_edge.service.manager import UnitState

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
