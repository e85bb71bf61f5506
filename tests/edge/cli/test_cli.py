"""The command line as such: help, errors, exit statuses, logs."""

import io
import json
import logging
import resource
import subprocess
import sys

import click
import jsonschema
import pytest

from mnv2_edge import __main__ as program
from mnv2_edge import __version__
from mnv2_edge.cli import COMMANDS, cli
from mnv2_edge.cli.ui.common import Session, current_session, json_option, logging_to_stderr
from mnv2_edge.cli.ui.tables import print_table
from mnv2_edge.errors import ConfigError, SourcePermissionError
from mnv2_edge.redaction import add_secret
from mnv2_engines.errors import StaleEngineError
from support.command import COMMAND
from support.users import closed_to_us, open_folder


@pytest.fixture
def add_command(monkeypatch):
    """Return what adds a command to the real group for the length of a test."""

    def add(callback, name="probe"):
        command = click.command(name)(callback)
        monkeypatch.setattr(cli, "get_command", lambda _ctx, asked: command if asked == name else None)
        monkeypatch.setattr(cli, "list_commands", lambda _ctx: [name])

    return add


def test_help_names_every_command_and_where_to_begin(capsys):
    assert program.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in out
    assert "mnv2-edge demo" in out
    assert "Exit status:" in out


@pytest.mark.parametrize("args", [[], ["config"]])
def test_nothing_typed_is_help(args, capsys):
    assert program.main(args) == 0
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys):
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out == f"mnv2-edge {__version__}\n"


def test_help_imports_no_command_and_nothing_heavy():
    code = (
        "import sys; from mnv2_edge.__main__ import main; main(['--help']);"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "{'numpy', 'cv2', 'onnx', 'msgspec', 'yaml', 'rich', 'paho', 'ai_edge_litert'} "
        "or m.startswith('mnv2_edge.cli.') and m.split('.')[-1] not in {'common', 'groups', 'ui'}], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_help_is_quick():
    """It is promised within 0.15 s on a quiet desktop. CPU time is what a busy machine leaves comparable."""

    def best_s(*command):
        times = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    slowness = best_s(sys.executable, "-c", "") / 0.02  # what Python alone takes on such a desktop
    assert best_s(*COMMAND, "--help") < 0.15 * max(1.0, slowness)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_teaches_and_takes_debug(name, capsys):
    assert program.main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--debug" in out
    assert out.startswith(f"Usage: mnv2-edge {name} ")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rnu"], "there is no command 'rnu': did you mean 'run'?; see `mnv2-edge --help`"),
        (["xyz"], "there is no command 'xyz': expected one of run, demo, setup, cameras"),
        (["config", "chek"], "there is no command 'chek': did you mean 'check'?; see `mnv2-edge config --help`"),
        (["plugins", "--jsom"], "o such option"),
        (["config", "check"], "issing argument 'FILE'; see `mnv2-edge config check --help`"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(args, message, capsys):
    assert program.main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("mnv2-edge: error: ")
    assert message in line


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("c.yaml:1: wrong"), 78),
        (SourcePermissionError("/dev/video0 is closed"), 77),
        (StaleEngineError("built elsewhere"), 65),
    ],
)
def test_a_foreseen_error_is_one_line_and_its_status(error, status, add_command, capsys):
    def fail():
        raise error

    add_command(fail)
    assert program.main(["probe"]) == status
    assert capsys.readouterr().err == f"mnv2-edge: error: {error}\n"


def test_a_bug_is_one_line_and_tells_what_to_do(add_command, capsys):
    def fail():
        raise KeyError("frame")

    add_command(fail)
    assert program.main(["probe"]) == 70
    err = capsys.readouterr().err
    assert err == "mnv2-edge: error: KeyError: 'frame' (this is a bug: run again with --debug)\n"


def test_a_folder_that_is_closed_to_this_user_is_no_bug(add_command, capsys):
    with open_folder() as folder:
        (folder / "closed").mkdir()
        path = folder / "closed" / "a.pth"
        add_command(path.stat)
        with closed_to_us(folder / "closed"):
            assert program.main(["probe"]) == 77
    assert capsys.readouterr().err == (
        f"mnv2-edge: error: {path} is closed to this user (Permission denied): `namei -l {path}` shows who may\n"
    )


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_traceback_is_shown_under_debug_alone(place, monkeypatch, capsys):
    monkeypatch.setattr("mnv2_edge.records.json_schema", lambda: {}["frame"])
    args = ["--debug", "schema"] if place == "before" else ["schema", "--debug"]
    assert program.main(args) == 70
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("mnv2-edge: error: KeyError: 'frame' (this is a bug)\n")


def test_debug_reaches_the_commands_of_a_group(tmp_path, capsys):
    assert program.main(["config", "check", str(tmp_path), "--debug"]) == 78
    assert "Traceback" in capsys.readouterr().err


def test_every_mistake_is_a_line(add_command, capsys):
    def fail():
        raise ConfigError("c.yaml:1: a\nc.yaml:2: b")

    add_command(fail)
    assert program.main(["probe"]) == 78
    assert capsys.readouterr().err == "mnv2-edge: error: c.yaml:1: a\nmnv2-edge: error: c.yaml:2: b\n"


def test_passwords_are_in_no_error_no_log_and_no_traceback(add_command, capsys):
    def fail():
        add_secret("hunter2-of-the-test")
        logging.getLogger("paho").warning("connecting to %s", "mqtt://me:swordfish@b with hunter2-of-the-test")
        raise RuntimeError("mqtt://me:swordfish@b does not like hunter2-of-the-test")

    add_command(fail)
    assert program.main(["--debug", "probe"]) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "swordfish" not in err
    assert "hunter2-of" not in err.replace('add_secret("hunter2-of-the-test")', "")


def test_a_status_that_a_command_returns_is_the_status(add_command):
    add_command(lambda: 1)
    assert program.main(["probe"]) == 1


def test_ctrl_c_is_quiet(add_command, capsys):
    def interrupt():
        raise KeyboardInterrupt

    add_command(interrupt)
    assert program.main(["probe"]) == 130
    assert capsys.readouterr().err == ""


def test_ctrl_c_at_a_question_ends_its_line(add_command, capsys):
    def abort():
        raise click.Abort

    add_command(abort)
    assert program.main(["probe"]) == 130
    assert capsys.readouterr().err == "\n"


def test_a_reader_that_has_gone_is_no_error():
    process = subprocess.Popen([*COMMAND, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize("command", ["schema", "plugins"])
@pytest.mark.parametrize(
    ("redirection", "status", "says"),
    [
        (">&-", 0, ""),
        (
            ">/dev/full",
            75,
            "mnv2-edge: error: stdout cannot be written (No space left on device): the disk is full; free some space",
        ),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_a_stream_that_is_missing_or_full_is_no_bug(command, redirection, status, says):
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, command], capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert done.stderr.startswith(says)
    assert bool(done.stderr) == bool(says)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_an_error_that_nobody_can_read_keeps_its_status_and_stays_out_of_stdout(redirection):
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, "rnu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""


def test_logs_go_to_stderr_and_a_traceback_is_one_line(capsys):
    session = Session()
    with logging_to_stderr(session):
        log = logging.getLogger("mnv2_edge.somewhere")
        log.debug("not shown")
        log.info("shown")
        try:
            raise OSError("broken")
        except OSError:
            log.exception("it failed")
        session.set_log_level("warning")
        log.info("not shown any more")
        session.set_debug()
        session.set_log_level("error")
        log.debug("shown under --debug, whatever the configuration says")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "INFO mnv2_edge.somewhere: shown\n"
        "ERROR mnv2_edge.somewhere: it failed: OSError: broken\n"
        "DEBUG mnv2_edge.somewhere: shown under --debug, whatever the configuration says\n"
    )
    assert logging.getLogger().level == logging.WARNING


def test_a_log_line_goes_above_a_progress_bar_that_has_taken_stderr(monkeypatch):
    with logging_to_stderr(Session()):
        bar = io.StringIO()
        monkeypatch.setattr(sys, "stderr", bar)
        logging.getLogger("mnv2_edge.somewhere").warning("mean and std are not stated")
    assert bar.getvalue() == "WARNING mnv2_edge.somewhere: mean and std are not stated\n"


def test_a_command_knows_its_session(add_command):
    seen = []
    add_command(lambda: seen.append(current_session().debug))
    assert program.main(["probe"]) == 0
    assert program.main(["--debug", "probe"]) == 0
    assert seen == [False, True]


def test_json_option_is_a_flag():
    @click.command()
    @json_option
    def command(*, as_json):
        return as_json

    assert command.main(["--json"], standalone_mode=False) is True


class TestConfig:
    def test_a_written_file_checks_and_shows(self, tmp_path, capsys):
        path = str(tmp_path / "c.yaml")
        assert program.main(["config", "init", path]) == 0
        assert program.main(["config", "check", path]) == 0
        assert capsys.readouterr().out.endswith(f"{path}: OK\n")
        assert program.main(["config", "show", path]) == 0
        assert "top_k: null" in capsys.readouterr().out
        assert program.main(["config", "init", path]) == 2
        assert program.main(["config", "init", path, "--force"]) == 0

    def test_five_mistakes_are_five_lines_and_status_78(self, tmp_path, capsys):
        path = tmp_path / "c.yaml"
        path.write_text("version: 1\nlabls: x\nengine: {threads: many}\ntask: {top_k: 0}\nlog: loud\ncameras: []\n")
        assert program.main(["config", "check", str(path)]) == 78
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(": ")[2] for line in lines] == [f"{path}:{number}" for number in (2, 3, 4, 5, 6)]

    def test_a_file_of_somebody_else_is_a_configuration_that_cannot_be_read(self, tmp_path, monkeypatch, capsys):
        path = tmp_path / "c.yaml"
        path.write_text("version: 1\n")

        def refuse(*_args, **_options):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("os.access", lambda *_args, **_options: False)
        monkeypatch.setattr("mnv2_edge.config.read.read_start", refuse)
        for args in (["config", "check", str(path)], ["doctor", "--config", str(path)], ["run", "--config", str(path)]):
            assert program.main(args) == 78
            assert capsys.readouterr().err == f"mnv2-edge: error: {path} cannot be read: Permission denied\n"

    def test_show_as_json_without_a_file_is_the_defaults(self, capsys):
        assert program.main(["config", "show", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["cameras"][0]["uri"] == "0"

    def test_schema_is_json_schema(self, capsys):
        assert program.main(["config", "schema"]) == 0
        jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_schema_of_records_is_json_schema(capsys):
    assert program.main(["schema"]) == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_plugins_are_listed(capsys):
    assert program.main(["plugins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["GROUP", "NAME", "PACKAGE", "FACTORY"]
    assert ["mnv2_edge.sinks", "stdout", "mnv2-edge", __version__] in [line.split()[:4] for line in lines]
    assert program.main(["plugins", "--json"]) == 0
    plugins = json.loads(capsys.readouterr().out)
    assert {"mnv2_edge.sources", "mnv2_edge.sinks", "mnv2_engines.tasks", "mnv2_engines.backends"} == {
        plugin["group"] for plugin in plugins
    }


class TestUntrustedText:
    """File names, brokers and cameras speak in messages; a terminal must not obey them."""

    EVIL = "\x1b]0;owned\x07\x1b[2J\rcat\u202e.jpg"

    def test_in_an_error(self, add_command, capsys):
        def fail():
            raise SourcePermissionError(f"{self.EVIL} is closed")

        add_command(fail)
        assert program.main(["probe"]) == 77
        assert capsys.readouterr().err == "mnv2-edge: error: ?]0;owned??[2J?cat?.jpg is closed\n"

    def test_in_a_bug_and_its_traceback(self, add_command, capsys):
        def fail():
            raise KeyError(self.EVIL) from ValueError(self.EVIL)

        add_command(fail)
        assert program.main(["--debug", "probe"]) == 70
        err = capsys.readouterr().err
        assert "Traceback" in err
        assert err.replace("\n", "").isprintable()

    @pytest.mark.parametrize("debug", [False, True])
    def test_in_the_log(self, debug, add_command, capsys):
        def speak():
            log = logging.getLogger("mnv2_edge.test")
            log.warning("the camera says %s", f"{self.EVIL}\nERROR mnv2_edge: forged")
            try:
                raise ValueError(self.EVIL)
            except ValueError:
                log.exception("it says more")

        add_command(speak)
        assert program.main(["--debug", "probe"] if debug else ["probe"]) == 0
        lines = capsys.readouterr().err.split("\n")
        assert all(line.isprintable() for line in lines)
        assert "WARNING mnv2_edge.test: the camera says ?]0;owned??[2J?cat?.jpg?ERROR mnv2_edge: forged" in lines
        assert ("Traceback (most recent call last):" in lines) is debug

    def test_in_a_table(self, capsys):
        print_table(("camera",), [(self.EVIL,)])
        assert capsys.readouterr().out.replace("\n", "").isprintable()

    def test_a_file_with_such_a_name(self, tmp_path, capsys):
        path = tmp_path / "a\x1b[31m\ncat.jpg"
        path.write_bytes(b"no picture")
        assert program.main(["run", "--camera", str(path)]) == 69
        err = capsys.readouterr().err
        assert "a?[31m" in err
        assert err.replace("\n", "").isprintable()
