"""What is tried in a process of its own ends in time, whatever becomes of that process."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from mnv2_edge.doctor.probe import Probe, run_command, run_python
from mnv2_edge.errors import TemporaryError

HANGS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def is_there(pid: int) -> bool:
    """Tell whether a process is still there, and no zombie that somebody has not buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("around", ["{}", "INFO: a delegate\n{}", "{}\nbye from a library\n7"])
def test_what_it_found_is_read_from_among_what_libraries_print(around: str) -> None:
    found = '{"state": "ok"}'
    assert run_python(f"print({around.replace('{}', found)!r})").json_line == found


@pytest.mark.parametrize("output", ["", "bye", "7", "[1]", '{"state":'])
def test_a_process_that_did_not_say_what_it_found_is_a_failure(output: str) -> None:
    with pytest.raises(TemporaryError, match=re.escape(f"did not say what it found, but {output!r}")):
        Probe(output, "").json_line  # noqa: B018


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """As `runuser` starts another program, and waits for it."""
    note = tmp_path / "pid"
    probe = run_command("sh", "-c", f"sleep 600 & echo $! > {note}; wait", timeout_s=0.5)
    assert probe.trouble == "it did not answer within 0.5 s"
    deadline = time.monotonic() + 30
    while is_there(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_there(int(note.read_text()))


def test_what_no_signal_ends_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in a driver that hangs is not ended by SIGKILL either; here the signal is lost instead."""
    lost: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _signal: lost.append(group))
    monkeypatch.setattr("mnv2_edge.doctor.probe._DYING_S", 0.2)
    assert run_python(HANGS, timeout_s=0.5).trouble == "it did not answer within 0.5 s, and cannot be ended"
    monkeypatch.undo()
    assert lost
    os.kill(lost[0], signal.SIGKILL)
    os.waitpid(lost[0], 0)
