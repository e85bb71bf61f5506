"""`mnv2-edge setup` as it is typed: a real terminal, a real broker, the demo's film."""

import os
import signal
import subprocess
import sys
from hashlib import sha256

import pytest
import yaml

from mnv2_edge.config.read import read_config
from mnv2_engines.demo import demo_engine_path
from support.command import COMMAND, call, environment, errors
from support.file_server import file_server
from support.mosquitto import Mosquitto, free_port
from support.system import need_command
from support.terminal import Terminal, lines_wider_than


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def start(tmp_path, folder, cache):
    """Return what runs `mnv2-edge setup ARGS` on a terminal, in an empty folder."""
    terminals = []

    def run(*args, **more):
        more = {"XDG_CACHE_HOME": str(cache), **more}
        terminals.append(Terminal("setup", "--seconds", "0.2", *args, home=tmp_path / "home", cwd=folder, **more))
        return terminals[-1]

    yield run
    for terminal in terminals:
        terminal.close()


def to_the_film(terminal):
    """Answer as far as the broker, on machines with cameras too."""
    terminal.answer("Which camera?", "the demo film\r")
    terminal.answer("Which network?", "demo\r")


def test_enter_enter_enter(start, folder, tmp_path):
    terminal = start()
    to_the_film(terminal)
    terminal.answer("Where shall results go?", "none\r")
    terminal.answer("What is this device called?", "Front door\r")
    terminal.answer("Write this to", "\r")
    assert terminal.wait() == 0
    path = folder / "mnv2-edge.yaml"
    assert read_config(path).device.name == "Front door"
    assert f"$ mnv2-edge run --config {path}" in terminal.text
    assert terminal.text.startswith("Enter takes what stands in brackets. Ctrl-C ends it, with nothing written.\n")
    assert "\x1b[" in terminal.raw
    ran = call("run", "--config", path, "--max-frames", "3", "--format", "jsonl", home=tmp_path)
    assert ran.stdout.count('"device":"front-door"') == 3


@pytest.mark.mosquitto
def test_a_broker_with_a_password_that_nobody_sees(start, folder, tmp_path):
    passwords = tmp_path / "passwords"
    program = need_command("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-b", "-c", str(passwords), "ann", "swordfish"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path, settings=f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    try:
        terminal = start("door.yaml")
        to_the_film(terminal)
        terminal.answer("Where shall results go?", "a broker elsewhere\r")
        terminal.answer("Its address", f"ann@127.0.0.1:{broker.port}\r")
        terminal.answer("Password of ann (not shown)")
        terminal.answer("What now?", "1\r")
        terminal.answer("User [ann]", "\r")
        terminal.answer("Password of ann (not shown):", "")
        assert not terminal.echoes
        terminal.type("swordfish\r")
        terminal.answer("Does Home Assistant listen there?", "y\r")
        terminal.answer("What is this device called?", "\r")
        terminal.answer("Write this to", "\r")
        assert terminal.wait() == 0
    finally:
        broker.kill()
    assert "refuses the user 'ann'" in " ".join(terminal.text.split())
    assert "swordfish" not in terminal.raw
    config = read_config(folder / "door.yaml")
    assert config.sinks[1]["mqtt"]["homeassistant"] is True
    assert (folder / "door.mqtt-password").read_text() == "swordfish\n"
    assert (folder / "door.mqtt-password").stat().st_mode & 0o777 == 0o600


def test_a_network_is_fetched_where_it_is_picked(start, tmp_path, folder):
    """From a server that the user's catalogue names; its first answer is an error."""
    raw = demo_engine_path().read_bytes()
    with file_server() as server:
        server.files["signs.tflite"] = raw
        server.script.append(lambda handler: handler.send_error(404))
        file = {"name": "signs.tflite", "urls": [f"{server.url}/signs.tflite"], "sha256": sha256(raw).hexdigest()}
        models = {"signs": {"description": "Road signs", "licence": "ours", "files": [file]}}
        (tmp_path / "home/models").mkdir(parents=True)
        (tmp_path / "home/models/catalogue.yaml").write_text(yaml.safe_dump({"version": 1, "models": models}))
        terminal = start(no_proxy="*")
        terminal.answer("Which camera?", "the demo film\r")
        terminal.answer("Which network?", "signs\r")
        terminal.answer("that did not work (exit status 69)", "")
        terminal.answer("What now?", "try\r")
        terminal.answer("models/signs/signs.tflite", "")
        terminal.answer("(signs@", "")
        terminal.answer("Where shall results go?", "none\r")
        terminal.answer("What is this device called?")
        terminal.answer("Write this to")
        assert terminal.wait() == 0
    assert "$ mnv2-edge models pull signs" in terminal.text
    assert "Road signs; to fetch; ours" in terminal.text
    assert read_config(folder / "mnv2-edge.yaml").engine.model == "signs"


@pytest.mark.parametrize(
    ("at", "keys"),
    [
        ("Which camera?", "\x03"),
        ("Which camera?", "\x04"),
        pytest.param("Write this to", "\x03", marks=pytest.mark.acceptance),
    ],
)
def test_it_can_be_left_at_any_question(start, folder, at, keys):
    terminal = start()
    if at != "Which camera?":
        to_the_film(terminal)
        terminal.answer("Where shall results go?", "none\r")
    if at == "Write this to":
        terminal.answer("What is this device called?")
    assert terminal.leave(at, keys) == 130
    assert terminal.text.splitlines()[-1] == "stopped: nothing was written"
    assert list(folder.iterdir()) == []


def test_a_hidden_question_leaves_the_terminal_as_it_was(start, folder):
    terminal = start()
    to_the_film(terminal)
    terminal.answer("Where shall results go?", "a broker elsewhere\r")
    terminal.answer("Its address", f"ann@127.0.0.1:{free_port()}\r")
    terminal.answer("Password of ann (not shown):", "")
    assert terminal.ignores(signal.SIGTSTP)  # whoever comes back with `fg` would see what he types
    terminal.hang_up(signal.SIGTERM)
    assert terminal.wait() == 130
    assert terminal.echoes
    assert list(folder.iterdir()) == []


def test_a_narrow_and_dumb_terminal(start):
    terminal = start(columns=50, TERM="dumb")
    to_the_film(terminal)
    terminal.answer("Where shall results go?", "7\r")
    terminal.answer("Where shall results go?", "none\r")
    assert terminal.leave("What is this device called?") == 130
    assert "\x1b[" not in terminal.raw
    assert "error: expected a number from 1 to" in terminal.text
    told = [line for line in lines_wider_than(50, terminal.text) if not line.startswith("$") and "^C" not in line]
    assert told == []


def test_an_option_is_picked_by_the_beginning_of_its_name_and_nothing_is_colored(start):
    terminal = start(NO_COLOR="1")
    terminal.answer("Which camera?", "THE DEMO\r")
    terminal.answer("Which network?", "coral\r")
    terminal.answer("Which network?", "demo\r")
    assert terminal.leave("Where shall results go?") == 130
    assert "or the beginning of a name" in terminal.text
    assert "\x1b[" not in terminal.raw


class TestWithoutTerminal:
    def test_it_says_what_to_do_instead(self, tmp_path):
        done = call("setup", home=tmp_path)
        assert done.returncode == 2
        (line,) = errors(done.stderr)
        assert "`mnv2-edge config init FILE`" in line
        assert "--yes" in line

    def test_with_yes_it_needs_none(self, folder, tmp_path, cache):
        """As Ansible would run it, a second time to the same end."""
        command = [*COMMAND, "setup", "door.yaml", "--yes", "--seconds", "0.2"]
        (folder / "door.yaml").write_text("version: 1\ncameras: [{uri: demo}]\nengine: {model: demo}\n")
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment(tmp_path, XDG_CACHE_HOME=str(cache)),
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        assert "says all of this already" in done.stdout
        assert "\x1b[" not in done.stdout

    def test_with_yes_the_status_says_what_did_not_work(self, tmp_path, folder, cache):
        def run(text):
            (folder / "door.yaml").write_text(text)
            arguments = ("setup", str(folder / "door.yaml"), "--yes", "--seconds", "0.2")
            done = call(*arguments, home=tmp_path, XDG_CACHE_HOME=str(cache))
            assert len(errors(done.stderr)) == 1
            return done.returncode, errors(done.stderr)[0]

        film = "version: 1\ncameras: [{uri: demo}]\n"
        assert run("version: 1\ncameras: [{uri: /dev/video99}]\n")[0] == 69
        assert run(f"{film}engine: {{model: nowhere.tflite}}\n")[0] == 65

    def test_a_file_to_begin_with_has_to_be_there(self, tmp_path):
        done = call("setup", "nowhere.yaml", "--output", str(tmp_path / "c.yaml"), "--yes", home=tmp_path)
        assert done.returncode == 2
        assert "there is no nowhere.yaml to begin with" in done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
    def test_root_does_not_begin_with_what_somebody_else_put_there(self, tmp_path, cache, monkeypatch):
        monkeypatch.chdir(tmp_path)
        planted = tmp_path / "mnv2-edge.yaml"
        planted.write_text("version: 1\ncameras: [{uri: demo}]\nlabels: /etc/shadow\n")
        os.chown(planted, 65534, 65534)

        def run(*arguments, **variables):
            arguments = ("setup", *arguments, "--yes", "--seconds", "0.2")
            return call(*arguments, home=tmp_path, XDG_CACHE_HOME=str(cache), **variables)

        done = run()
        assert done.returncode == 77
        assert "mnv2-edge.yaml here belongs to another user" in errors(done.stderr)[0]
        planted.write_text("version: 1\ncameras: [{uri: demo}]\n")
        assert run("mnv2-edge.yaml").returncode == 0
        assert run(SUDO_UID="65534").returncode == 0


def test_help_needs_no_numpy(tmp_path):
    code = "import sys; sys.argv[1:] = ['setup', '--help']; sys.modules['numpy'] = None; import mnv2_edge.__main__ as m"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit(m.main())"], capture_output=True, text=True, check=True
    )
    assert "Enter takes what is offered" in done.stdout
