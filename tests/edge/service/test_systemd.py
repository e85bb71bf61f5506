import subprocess

import pytest

from mnv2_edge.errors import AccessError, TemporaryError
from mnv2_edge.service.systemd import read_state, start_and_wait, stop, systemctl

READY = {"ActiveState": "active", "SubState": "running", "StatusText": "30.0 frames/s; door streaming"}
FAILED = {
    "ActiveState": "failed",
    "SubState": "failed",
    "Result": "exit-code",
    "ExecMainCode": "1",
    "ExecMainStatus": "78",
    "StatusText": "",
}


class Systemd:
    """Hold one unit, which goes from state to state each time somebody looks."""

    def __init__(self, *states: dict[str, str], journal: str = "", refuse: str = "") -> None:
        self.states = list(states)
        self.journal = journal
        self.refuse = refuse
        self.wanted = False

    def __call__(self, *command: str) -> "subprocess.CompletedProcess[str]":
        out = error = ""
        if command[0] == "journalctl":
            out = self.journal
        elif command[1] == "show":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            state = {**state, "UnitFileState": "enabled" if self.wanted else "disabled"}
            out = "".join(f"{name}={value}\n" for name, value in state.items())
        elif self.refuse:
            error = self.refuse
        elif command[1] == "enable":
            self.wanted = True
        elif command[1] == "disable":
            self.wanted = False
        return subprocess.CompletedProcess(command, bool(error), out, error)


def test_one_that_runs_says_so_itself():
    unit = read_state("door", Systemd({**READY, "NRestarts": "3"}))
    assert (unit.state, unit.restarts, unit.exit_status) == ("active", 3, None)
    assert unit.why == "30.0 frames/s; door streaming"


def test_one_that_failed_says_why_in_its_own_words():
    journal = "INFO x\nmnv2-edge: error: door.yaml:4: old\nmnv2-edge: error: door.yaml:4: cameras[0].rotate: 45\nx\n"
    unit = read_state("door", Systemd(FAILED, journal=journal))
    assert unit.exit_status == 78
    assert unit.why == (
        "exit status 78: a wrong configuration; it is not started again: door.yaml:4: cameras[0].rotate: 45"
    )


def test_without_leave_to_read_the_journal_the_status_is_explained_all_the_same():
    why = read_state("door", Systemd(FAILED)).why
    assert why == "exit status 78: a wrong configuration; it is not started again"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "watchdog"}, "a thread did not get on"),
        ({"ActiveState": "failed", "Result": "oom-kill"}, "oom-kill"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "dead"),
        ({**FAILED, "ExecMainStatus": "3"}, "exit status 3"),
        ({"ActiveState": "activating", "SubState": "start", "StatusText": "opening cameras"}, "opening cameras"),
    ],
)
def test_other_ends(state, why):
    assert read_state("door", Systemd(state)).why.startswith(why)


def test_a_start_is_waited_for():
    systemd = Systemd({"ActiveState": "activating"}, {"ActiveState": "activating"}, READY)
    unit = start_and_wait("door", systemd)
    assert (unit.state, unit.starts_at_boot) == ("active", True)
    stop(["door"], systemd)
    assert not systemd.wanted


def test_a_start_that_fails_is_not_waited_for_any_longer():
    assert start_and_wait("door", Systemd({"ActiveState": "activating"}, FAILED)).state == "failed"


def test_a_start_that_takes_too_long():
    with pytest.raises(TemporaryError, match="mnv2-edge service logs door"):
        start_and_wait("door", Systemd({"ActiveState": "activating"}), timeout_s=0.3)


def test_systemd_refuses():
    with pytest.raises(AccessError, match="Access denied"):
        start_and_wait("door", Systemd(READY, refuse="Access denied\n"))


def test_where_there_is_no_systemd():
    with pytest.raises(AccessError, match="a service needs systemd"):
        systemctl("/nowhere/systemctl", "show")


def test_a_log_may_hold_any_byte():
    assert systemctl("printf", r"\377").stdout == "\ufffd"
