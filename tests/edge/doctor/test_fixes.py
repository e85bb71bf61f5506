"""What `doctor --fix` does, what it leaves alone, and what it says."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.doctor import Check, Finding, Fix
from mnv2_edge.doctor.device.engines import check_engines
from mnv2_edge.doctor.fixes import fix_all
from mnv2_edge.doctor.probe import Probe, run_command
from mnv2_edge.doctor.summary import offer_fixes
from mnv2_edge.redaction import add_secret
from mnv2_engines.child_python import module_command
from support.boards import make_machine, write_files


@pytest.fixture
def machine(tmp_path):
    return make_machine(tmp_path, run_command=run_command, home=tmp_path / "home", uid=os.geteuid())


def attempt(machine, *fixes: Fix, dry_run: bool = False, answer: bool = False):
    return fix_all(machine, [("it", Finding("warn", "why", "", fixes))], dry_run=dry_run, confirm=lambda _: answer)


def test_a_fix_is_run(machine, tmp_path) -> None:
    (done,) = attempt(machine, Fix("make it", ("touch", str(tmp_path / "a b"))))
    assert (done.check, done.does, done.outcome, done.why) == ("it", "make it", "done", "")
    assert done.command == f"touch '{tmp_path}/a b'"
    assert (tmp_path / "a b").exists()


def test_one_that_goes_wrong_says_why(machine, tmp_path) -> None:
    failed, done = attempt(machine, Fix("x", ("rmdir", str(tmp_path / "gone"))), Fix("y", ("true",)))
    assert failed.outcome == "failed"
    assert "No such file or directory" in failed.why
    assert done.outcome == "done"


def test_nothing_is_done_dry(machine, tmp_path) -> None:
    (left,) = attempt(machine, Fix("make it", ("touch", str(tmp_path / "a"))), dry_run=True)
    assert (left.outcome, left.why) == ("left", "--dry-run")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("answer", [True, False])
def test_what_takes_minutes_is_asked_for(machine, tmp_path, answer) -> None:
    (done,) = attempt(machine, Fix("make it", ("touch", str(tmp_path / "a")), slow=True), answer=answer)
    assert done.outcome == ("done" if answer else "left")
    assert (tmp_path / "a").exists() == answer


def test_what_is_roots_is_shown_with_sudo_and_never_run(machine, tmp_path) -> None:
    fix = Fix("make it", ("touch", str(tmp_path / "a")), root=True)
    (left,) = attempt(dataclasses.replace(machine, uid=1000), fix)
    assert (left.outcome, left.why, left.command) == ("left", "only root may", f"sudo touch {tmp_path}/a")
    assert not (tmp_path / "a").exists()
    (done,) = attempt(dataclasses.replace(machine, uid=0), fix)
    assert (done.outcome, done.command) == ("done", f"touch {tmp_path}/a")


def test_our_own_commands_run_by_this_python(machine) -> None:
    ran = []
    fake = dataclasses.replace(machine, run_command=lambda *command, **_: ran.append(command) or Probe("", ""))
    (done,) = attempt(fake, Fix("x", ("mnv2-edge", "engines", "default", "signs")))
    assert ran == [tuple(module_command("mnv2_edge", "engines", "default", "signs"))]
    assert done.command == "mnv2-edge engines default signs"


class TestEngines:
    def look(self, machine, default, *checks, is_open=False):
        (machine.home / "engines").mkdir(parents=True, exist_ok=True)
        answer = Probe(json.dumps({"default": default, "checks": checks, "open": is_open}), "")
        return check_engines(dataclasses.replace(machine, run_python=lambda *_, **__: answer))

    def test_an_open_store_is_closed(self, machine) -> None:
        finding = self.look(machine, "signs", ("signs", "ok", ""), is_open=True)
        folder = machine.home / "engines"
        folder.chmod(0o755)
        (done,) = attempt(machine, *finding.fixes)
        assert done.outcome == "done"
        assert folder.stat().st_mode & 0o777 == 0o700

    def test_stale_engines_are_a_matter_of_minutes(self, machine) -> None:
        (fix,) = self.look(machine, "signs", ("signs", "stale", "TensorRT 10 became 11")).fixes
        assert fix.command == ("mnv2-edge", "engines", "rebuild", "--stale")
        assert fix.slow

    def test_only_an_only_engine_is_made_the_default(self, machine) -> None:
        (fix,) = self.look(machine, None, ("signs", "ok", "")).fixes
        assert fix.command == ("mnv2-edge", "engines", "default", "signs")
        assert self.look(machine, None, ("birds", "ok", ""), ("signs", "ok", "")).fixes == ()


class TestEnginesOfTheService:
    """Which root looks at, as the service's user and with the service's own Python."""

    @pytest.fixture
    def device(self, machine, tmp_path):
        """Return what makes a device with an installed service, whose engines are so."""
        write_files(tmp_path, {"opt/mnv2-edge/current/venv/bin/python": ""})
        (tmp_path / "var/lib/mnv2-edge/engines").mkdir(parents=True)

        def make(*checks, uid=0, is_open=False):
            answer = json.dumps({"default": None, "checks": checks, "open": is_open})
            return make_machine(tmp_path, {"runuser -u mnv2-edge -- env -i": answer}, home=tmp_path / "home", uid=uid)

        return make

    def test_all_pass(self, device) -> None:
        finding = check_engines(device())
        assert finding.verdict == "ok"
        assert "; of the service: none in " in finding.why

    def test_a_stale_one(self, device) -> None:
        finding = check_engines(device(("signs", "stale", "TensorRT 10 became 11")))
        assert (finding.verdict, finding.why) == ("fail", "of the service: signs is stale: TensorRT 10 became 11")
        (fix,) = finding.fixes
        assert fix.command == ("systemctl", "restart", "mnv2-edge-engines.service")
        assert (fix.root, fix.slow) == (True, True)

    def test_what_cannot_be_run(self, device) -> None:
        broken = dataclasses.replace(device(), run_command=lambda *_, **__: Probe("", "user mnv2-edge does not exist"))
        finding = check_engines(broken)
        assert (finding.verdict, finding.why) == ("fail", "of the service: user mnv2-edge does not exist")

    def test_root_runs_none_of_them_itself(self, device, tmp_path) -> None:
        """Also when the service's store is the one that is meant."""
        machine = dataclasses.replace(device(("signs", "ok", "")), home=tmp_path / "var/lib/mnv2-edge", run_python=None)
        assert check_engines(machine).why.startswith("of the service: none is the default")

    def test_its_user_closes_its_store_and_not_root(self, device) -> None:
        """Who owns the folder may put a link to /etc in its place at any moment, and chmod follows it."""
        (fix,) = check_engines(device(("signs", "ok", ""), is_open=True)).fixes
        assert fix.command[:4] == ("runuser", "-u", "mnv2-edge", "--")
        assert fix.command[4:6] == ("chmod", "700")
        assert fix.root

    def test_its_only_engine_is_made_the_default_of_its_store_and_not_of_roots(self, device, tmp_path) -> None:
        (fix,) = check_engines(device(("signs", "ok", ""))).fixes
        assert fix.command[:4] == ("runuser", "-u", "mnv2-edge", "--")
        assert f"STATE_DIRECTORY={tmp_path}/var/lib/mnv2-edge" in fix.command
        assert fix.command[-6:] == ("-I", "-m", "mnv2_edge", "engines", "default", "signs")
        assert fix.root

    def test_others_are_not_told(self, device) -> None:
        assert "of the service" not in check_engines(device(uid=1000)).why


def test_what_root_could_do_is_offered_apart() -> None:
    fixes = (Fix("close a", ("x",)), Fix("start b", ("y",), root=True), Fix("close a", ("x",)))
    findings = [("it", Finding("warn", "why", "", fixes))]
    assert offer_fixes(findings, 1000) == (
        "`mnv2-edge doctor --fix` can close a",
        "`sudo mnv2-edge doctor --fix` can start b",
    )
    assert offer_fixes(findings, 0) == ("`mnv2-edge doctor --fix` can close a and start b",)
    assert offer_fixes([], 0) == ()


class TestCommand:
    @pytest.fixture
    def door(self, machine, tmp_path, monkeypatch) -> Path:
        """Return a file that a check wants to be there, and a fix can make."""
        door = tmp_path / "door"

        def look(_machine) -> Finding:
            fix = Fix("make the door", ("touch", str(door)))
            return Finding("ok", "it is there") if door.exists() else Finding("warn", "no door", "make one", (fix,))

        checks = (Check("door", look), Check("wall", lambda _: Finding("ok", "it stands")))
        monkeypatch.setattr("mnv2_edge.doctor.checks.CHECKS", checks)
        monkeypatch.setattr("mnv2_edge.doctor.machine.this_machine", lambda *_, **__: machine)
        return door

    def test_without_fix_it_is_offered(self, door, capsys) -> None:
        assert program.main(["doctor"]) == 0
        assert not door.exists()
        out = capsys.readouterr().out
        assert out.splitlines()[-2:] == ["1 warning, 1 check well", "`mnv2-edge doctor --fix` can make the door"]

    def test_it_is_done_and_looked_at_again(self, door, capsys) -> None:
        assert program.main(["doctor", "--fix"]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"door: done: touch {door}\n")
        assert out.splitlines()[-1] == "all 2 checks are well"

    def test_dry(self, door, capsys) -> None:
        assert program.main(["doctor", "--fix", "--dry-run"]) == 0
        assert capsys.readouterr().out.startswith(f"door: not done (--dry-run): touch {door}\n")
        assert not door.exists()

    def test_json_tells_what_was_done(self, door, capsys) -> None:
        assert program.main(["doctor", "--fix", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [fix["outcome"] for fix in told["fixes"]] == ["done"]
        assert (told["healthy"], told["warnings"], told["failures"]) == (True, 0, 0)

    def test_json_stays_json_where_something_is_hidden(self, door, capsys, monkeypatch) -> None:
        """What is hidden may hold a quote, which JSON writes in another way."""
        why = """rtspsrc location=rtsp://cam user-pw="two words" ! x: my "secret" """
        add_secret('my "secret"')
        checks = (Check("door", lambda _: Finding("warn", why, f"try {why}")),)
        monkeypatch.setattr("mnv2_edge.doctor.checks.CHECKS", checks)
        assert program.main(["doctor", "--json"]) == 0
        out = capsys.readouterr().out
        (found,) = json.loads(out)["checks"]
        assert found["why"] == "rtspsrc location=rtsp://cam user-pw=*** ! x: *** "
        assert "words" not in out

    def test_a_warning_counts_with_strict(self, door) -> None:
        assert program.main(["doctor"]) == 0
        assert program.main(["doctor", "--strict"]) == 1
        assert program.main(["doctor", "--strict", "--fix"]) == 0

    def test_dry_run_alone_is_wrong_usage(self, door, capsys) -> None:
        assert program.main(["doctor", "--dry-run"]) == 2
        assert "add --fix" in capsys.readouterr().err
