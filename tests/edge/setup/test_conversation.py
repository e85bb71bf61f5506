"""The whole conversation: what is written runs, nothing is written over unasked, and what fails leaves no trace."""

import random
import shutil
import subprocess

import pytest

from mnv2_edge.app import run
from mnv2_edge.config.model import CameraConfig, Config, DeviceConfig, EngineConfig
from mnv2_edge.config.read import read_config
from mnv2_edge.errors import AccessError, ConfigError, StepFailedError, UsageError
from mnv2_edge.redaction import read_secret
from mnv2_edge.service.paths import instance_name
from mnv2_edge.setup import conversation
from mnv2_edge.setup.conversation import Plan, hold_conversation, offer_service
from mnv2_edge.setup.prompts import DefaultAsker
from mnv2_engines.demo import demo_engine_path
from support.asking import Answers
from support.command import call
from support.mosquitto import Mosquitto, free_port
from support.system import need_command
from support.users import closed_to_us

YES = DefaultAsker(lambda _text, _mark: None)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "door.yaml"


@pytest.fixture
def strict(tmp_path):
    """Start a broker that knows ann alone."""
    passwords = tmp_path / "passwords"
    program = need_command("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-b", "-c", str(passwords), "ann", "swordfish"], check=True, capture_output=True)
    broker = Mosquitto(tmp_path, settings=f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    yield broker
    broker.kill()


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def test_enter_at_every_question_gives_what_runs(path, around, tmp_path):
    asker = Answers()
    assert hold_conversation(Plan(path, None), asker, around) == path
    assert read_config(path) == Config(
        version=1,
        device=DeviceConfig(name="porch"),
        cameras=(CameraConfig(uri="demo"),),
        engine=EngineConfig(model="demo"),
    )
    assert "  version: 1" in asker.lines
    assert asker.lines[-1] == f"mnv2-edge run --config {path}"
    ran = call("run", "--config", path, "--max-frames", "3", "--format", "jsonl", home=tmp_path)
    assert (ran.returncode, ran.stdout.count('"device":"porch"')) == (0, 3)


def test_nobody_has_to_be_asked(path, around):
    assert hold_conversation(Plan(path, None), YES, around) == path
    assert read_config(path).cameras[0].uri == "demo"


NAMES = ["yes", "0x1F", "null", "Tür #1: 'Hof'", "- a", "{b}", "*c", "1e3", "2026-11-24", "\N{CAT FACE} cat", "x" * 100]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_answered_is_read_again_and_runs(path, around, put_engines, tmp_path, seed):
    """With names that YAML would take for something else, every kind of network, and brokers that are away."""
    chosen = random.Random(seed)
    put_engines("birds", "on", default="birds")
    shutil.copy(demo_engine_path(), tmp_path / "own.tflite")
    (tmp_path / "names: #1.txt").write_text("".join(f"sign {number}\n" for number in range(12)))
    name = chosen.choice(NAMES)
    network = chosen.choice([["demo"], ["birds"], ["on"], ["a file", ""], ["a file", str(tmp_path / "names: #1.txt")]])
    answers = [("Which camera?", "the demo film"), ("Which network?", network[0]), ("What is this device", name)]
    if network[0] == "a file":
        answers += [("Its path", str(tmp_path / "own.tflite")), ("Label file", network[1])]
    if chosen.random() < 0.7:
        user = chosen.choice(["", "ann@", "a%40b@"])
        uri = f"{chosen.choice(['', 'mqtt://', 'mqtts://'])}{user}127.0.0.1:{free_port()}{chosen.choice(['', '/a/b'])}"
        answers += [("Where shall", "a broker elsewhere"), ("Its address", uri), ("What now?", "keep it")]
        answers += [("Password of", "horse: #4711'\"")] if user else []
        answers += [("Does Home", chosen.choice(["yes", "no"]))]
    asker = Answers(*answers)
    hold_conversation(Plan(path, None), asker, around)
    assert asker.left == []
    config = read_config(path)
    assert config.device.name == name
    mqtt = next((sink["mqtt"] for sink in config.sinks if "mqtt" in sink), {})
    if "password_file" in mqtt:
        assert read_secret(mqtt["password_file"], "") == "horse: #4711'\""
    assert run(config, around.environment, max_frames=1).results == 1


@pytest.mark.mosquitto
def test_a_password_is_kept_apart_and_all_of_it_runs(path, around, strict, tmp_path):
    asker = Answers(
        ("Where shall", "a broker elsewhere"),
        ("Its address", f"ann@127.0.0.1:{strict.port}"),
        ("Password of ann", "swordfish"),
        ("Does Home", "yes"),
    )
    hold_conversation(Plan(path, None), asker, around)
    assert names(path) == ["door.mqtt-password", "door.yaml"]
    assert "swordfish" not in path.read_text() + asker.text
    assert f"Its topics begin with mnv2-edge/porch/ on mqtt://127.0.0.1:{strict.port}." in asker.lines
    subscriber = strict.subscribe("#", options=("-u", "ann", "-P", "swordfish"))
    try:
        ran = call("run", "--config", path, "--max-frames", "30", "--format", "none", home=tmp_path)
        assert ran.returncode == 0, ran.stderr
        subscriber.wait(lambda: any(message.topic.endswith("/result") for message in subscriber.messages))
    finally:
        subscriber.close()
    before = path.read_bytes()
    again = Answers()
    assert hold_conversation(Plan(path, path), again, around) == path
    assert path.read_bytes() == before
    assert f"{path} says all of this already, and stays as it is" in again.lines


class TestExisting:
    TEXT = "version: 1  # mine\ncameras: [{uri: demo, id: film}]\nengine: {model: demo, threads: 1}\ntask: {top_k: 1}\n"

    @pytest.fixture
    def there(self, path):
        path.write_text(self.TEXT)
        return path

    def test_enter_changes_nothing_not_even_a_comment(self, there, around):
        assert hold_conversation(Plan(there, there), Answers(), around) == there
        assert there.read_text() == self.TEXT

    def test_a_change_is_shown_and_written_when_that_is_said(self, there, around):
        asker = Answers(("What is this device", "gate"), ("What now?", "write over it"))
        hold_conversation(Plan(there, there), asker, around)
        config = read_config(there)
        assert (config.device.name, config.cameras[0].id, config.engine.threads, config.task.top_k) == (
            "gate",
            "film",
            1,
            1,
        )
        assert "  +  name: gate" in asker.lines
        assert "  -version: 1  # mine" in asker.lines

    def test_or_goes_elsewhere(self, there, around):
        asker = Answers(("What is this device", "gate"), ("What now?", "write another"))
        written = hold_conversation(Plan(there, there), asker, around)
        assert written == there.with_name("door-2.yaml")
        assert there.read_text() == self.TEXT

    def test_or_nowhere(self, there, around):
        asker = Answers(("What is this device", "gate"), ("What now?", "leave it"))
        assert hold_conversation(Plan(there, there), asker, around) is None
        assert names(there) == ["door.yaml"]

    def test_what_nobody_was_asked_about_is_not_written_over(self, there, around):
        with pytest.raises(UsageError, match=r"door\.yaml says something else, .*--output"):
            hold_conversation(Plan(there, None), YES, around)
        assert there.read_text() == self.TEXT

    def test_a_wrong_one_is_no_beginning(self, there, around):
        there.write_text("version: 1\ncamera: 0\n")
        with pytest.raises(ConfigError, match="did you mean 'cameras'"):
            hold_conversation(Plan(there, there), Answers(), around)


class TestNothingHalf:
    def test_a_closed_folder_is_found_out_before_anything_is_asked(self, path, around):
        asker = Answers()
        with closed_to_us(path.parent), pytest.raises(AccessError):
            hold_conversation(Plan(path, None), asker, around)
        assert (asker.lines, asker.offered) == ([], [])

    def test_a_full_disk_at_the_end_loses_no_answer(self, path, around, tmp_path, monkeypatch):
        real = conversation.write_files

        def write(files):
            if files[-1].path == path:
                raise UsageError(f"{path} cannot be written (No space left on device): free some space")
            real(files)

        monkeypatch.setattr(conversation, "write_files", write)
        other = tmp_path / "other.yaml"
        asker = Answers(("What now?", "try it again"), ("What now?", "write it elsewhere"), ("Where to", str(other)))
        assert hold_conversation(Plan(path, None), asker, around) == other
        assert (names(path), read_config(other).cameras[0].uri) == ([], "demo")
        assert len(asker.troubles) == 2

    def test_no_means_no(self, path, around):
        assert hold_conversation(Plan(path, None), Answers(("Write this", "no")), around) is None
        assert names(path) == []

    def test_ctrl_c_at_the_last_question(self, path, around):
        class Stopping(Answers):
            def confirm(self, question, *, default):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            hold_conversation(Plan(path, None), Stopping(), around)
        assert names(path) == []

    def test_what_was_put_off_is_told_again(self, path, having):
        asker = Answers(("Which network?", "coral-ssd"), ("What now?", "put it off"))
        hold_conversation(Plan(path, None), asker, having(run_ourselves=lambda _arguments, _secrets: 69))
        assert asker.lines[-4:-2] == ["Still to do, since it was put off:", "mnv2-edge models pull coral-ssd"]
        assert read_config(path).engine.model == "coral-ssd"


class TestService:
    @pytest.fixture
    def ran(self):
        return []

    @pytest.fixture
    def root(self, having, ran):
        """Return the machine after install.sh, as root sees it."""

        def make(status=0, *, is_root=True):
            around = having(is_root=is_root, run_ourselves=lambda arguments, _: ran.append(tuple(arguments)) or status)
            around.places.installer.parent.mkdir(parents=True)
            around.places.installer.touch()
            return around

        return make

    def test_it_is_installed_by_root(self, path, root, ran):
        offer_service(path, Answers(), root())
        assert ran == [("service", "install", str(path))]

    def test_or_not(self, path, root, ran):
        offer_service(path, Answers(("Run it as a service", "no")), root())
        assert ran == []

    def test_others_are_told_what_to_type(self, path, root, ran):
        asker = Answers()
        offer_service(path, asker, root(is_root=False))
        assert asker.lines[-1] == f"sudo mnv2-edge service install {path}"
        assert ran == []

    def test_so_is_whoever_has_not_installed_it_yet(self, path, around):
        asker = Answers()
        offer_service(path, asker, around)
        assert asker.lines[-2:] == ["sudo deploy/install.sh", f"sudo mnv2-edge service install {path}"]

    @pytest.mark.parametrize(
        ("file", "name"),
        [
            ("Front Door.yaml", "front-door"),
            ("_x.yaml", "x"),
            ("\u65e5\u672c.yaml", "camera"),
            ("__.yaml", "camera"),
            (f"{'x' * 40}.yaml", "x" * 32),
        ],
    )
    def test_a_file_whose_name_is_none_for_an_instance(self, path, root, ran, file, name):
        offer_service(path.with_name(file), Answers(), root())
        assert ran == [("service", "install", str(path.with_name(file)), "--name", instance_name(name))]

    def test_one_that_is_not_well_has_a_status(self, path, root):
        with pytest.raises(StepFailedError, match="mnv2-edge service status") as excinfo:
            offer_service(path, Answers(), root(status=1))
        assert excinfo.value.exit_status == 1
