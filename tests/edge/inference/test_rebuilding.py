"""One engine serves while another is built again, and then the other one."""

import logging
import sys
import time
from contextlib import closing

import pytest

from mnv2_edge.inference.hot_swap import RebuildingEngine
from mnv2_engines.engine.reference import EngineFile
from support.engines import write_engine

WAIT = "import sys, time, pathlib\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\n"


@pytest.fixture
def engines(tmp_path):
    """Return the engine that is wanted and the one that stands in, both valid."""
    wanted, substitute = tmp_path / "plan.tflite", tmp_path / "int8.tflite"
    write_engine(wanted, "plan")
    write_engine(substitute, "int8")
    return EngineFile(wanted), EngineFile(substitute)


@pytest.fixture
def begin(engines, tmp_path):
    """Return a function that begins a build which ends with a status once `tmp_path/go` is there."""
    opened = []

    def begin_with(status: int) -> RebuildingEngine:
        wanted, substitute = engines
        command = (sys.executable, "-c", f"{WAIT}sys.exit({status})", str(tmp_path / "go"))
        opened.append(
            RebuildingEngine("plan", "TensorRT changed", wanted=wanted, substitute=substitute, command=command)
        )
        return opened[-1]

    yield begin_with
    for one in opened:
        one.close()


def until(reached) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_stand_in_serves_until_the_build_has_ended_well(begin, tmp_path, caplog) -> None:
    with caplog.at_level(logging.INFO):
        rebuilding = begin(0)
        before = rebuilding.version()
        assert rebuilding.read().name == "int8"
        assert rebuilding.remark() == "rebuilding plan: TensorRT changed"
        assert rebuilding.version() == before
        (tmp_path / "go").touch()
        until(lambda: rebuilding.version() != before)
        assert rebuilding.read().name == "plan"
        assert rebuilding.remark() == ""
    assert "plan was built again" in caplog.text


def test_it_goes_on_serving_when_the_build_fails(begin, tmp_path, caplog) -> None:
    rebuilding = begin(3)
    before = rebuilding.version()
    (tmp_path / "go").touch()
    until(lambda: rebuilding.remark().startswith("could not rebuild plan: TensorRT changed"))
    assert rebuilding.version() == before
    assert rebuilding.read().name == "int8"
    assert "plan was not built again (exit status 3), its stand-in goes on: `mnv2-edge engines rebuild plan`" in (
        caplog.text
    )


def test_closing_ends_the_build(begin) -> None:
    rebuilding = begin(0)
    began = time.monotonic()
    rebuilding.close()
    rebuilding.close()
    assert rebuilding._child.poll() not in {None, 0}
    assert time.monotonic() - began < 10


def test_a_build_that_ignores_the_end_is_killed(engines, tmp_path) -> None:
    wanted, substitute = engines
    code = "import signal, pathlib, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += "pathlib.Path(sys.argv[1]).touch()\ntime.sleep(60)\n"
    command = (sys.executable, "-c", code, str(tmp_path / "deaf"))
    with closing(RebuildingEngine("plan", "x", wanted=wanted, substitute=substitute, command=command)) as rebuilding:
        until((tmp_path / "deaf").exists)
    assert rebuilding._child.poll() == -9
