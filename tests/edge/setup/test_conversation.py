"""The whole conversation: what is written runs, nothing is written over unasked, and what fails leaves no trace."""

import random
import shutil
import subprocess

import pytest

from mnv2_edge.app import run
from mnv2_edge.config.model import CameraConfig, Config, DeviceConfig, EngineConfig
from mnv2_edge.config.read import read_config
from mnv2_edge.errors import AccessError, ConfigError, RecordsLostError, StepFailedError, UsageError
from mnv2_edge.redaction import read_secret
from mnv2_edge.service.paths import instance_name
from mnv2_edge.setup import conversation
from mnv2_edge.setup.conversation import SetupPlan, offer_service, run_setup
from mnv2_edge.setup.prompts import DefaultPrompts
from mnv2_engines.demo import demo_engine_path
from support.asking import Answers
from support.command import call
from support.mosquitto import Mosquitto, free_port
from support.system import need_command
from support.users import closed_to_us

YES = DefaultPrompts(lambda _text, _mark: None)


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


def test_enter_at_every_question_gives_what_runs(path, host, tmp_path):
    prompts = Answers()
    assert run_setup(SetupPlan(path, None), prompts, host) == path
    assert read_config(path) == Config(
        version=1,
        device=DeviceConfig(name="porch"),
        cameras=(CameraConfig(uri="demo"),),
        engine=EngineConfig(model="demo"),
    )
    assert "  version: 1" in prompts.lines
    assert prompts.lines[-1] == f"mnv2-edge run --config {path}"
    ran = call("run", "--config", path, "--max-frames", "3", "--format", "jsonl", home=tmp_path)
    assert (ran.returncode, ran.stdout.count('"device":"porch"')) == (0, 3)


def test_nobody_has_to_be_asked(path, host):
    assert run_setup(SetupPlan(path, None), YES, host) == path
    assert read_config(path).cameras[0].uri == "demo"


NAMES = ["yes", "0x1F", "null", "Tür #1: 'Hof'", "- a", "{b}", "*c", "1e3", "2026-11-24", "\N{CAT FACE} cat", "x" * 100]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_answered_is_read_again_and_runs(path, host, put_engines, tmp_path, seed):
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
    prompts = Answers(*answers)
    run_setup(SetupPlan(path, None), prompts, host)
    assert prompts.left == []
    config = read_config(path)
    assert config.device.name == name
    mqtt = next((sink["mqtt"] for sink in config.sinks if "mqtt" in sink), {})
    if "password_file" in mqtt:
        assert read_secret(mqtt["password_file"], "") == "horse: #4711'\""
    if mqtt:  # nothing listens at its address
        with pytest.raises(RecordsLostError):
            run(config, host.environment, max_frames=1)
    else:
        assert run(config, host.environment, max_frames=1).results == 1


@pytest.mark.mosquitto
def test_a_password_is_kept_apart_and_all_of_it_runs(path, host, strict, tmp_path):
    prompts = Answers(
        ("Where shall", "a broker elsewhere"),
        ("Its address", f"ann@127.0.0.1:{strict.port}"),
        ("Password of ann", "swordfish"),
        ("Does Home", "yes"),
    )
    run_setup(SetupPlan(path, None), prompts, host)
    assert names(path) == ["door.mqtt-password", "door.yaml"]
    assert "swordfish" not in path.read_text() + prompts.text
    assert f"Its topics begin with mnv2-edge/porch/ on mqtt://127.0.0.1:{strict.port}." in prompts.lines
    subscriber = strict.subscribe("#", options=("-u", "ann", "-P", "swordfish"))
    try:
        ran = call("run", "--config", path, "--max-frames", "30", "--format", "none", home=tmp_path)
        assert ran.returncode == 0, ran.stderr
        subscriber.wait(lambda: any(message.topic.endswith("/result") for message in subscriber.messages))
    finally:
        subscriber.close()
    before = path.read_bytes()
    again = Answers()
    assert run_setup(SetupPlan(path, path), again, host) == path
    assert path.read_bytes() == before
    assert f"{path} says all of this already, and stays as it is" in again.lines


class TestExisting:
    TEXT = "version: 1  # mine\ncameras: [{uri: demo, id: film}]\nengine: {model: demo, threads: 1}\ntask: {top_k: 1}\n"

    @pytest.fixture
    def there(self, path):
        path.write_text(self.TEXT)
        return path

    def test_enter_changes_nothing_not_even_a_comment(self, there, host):
        assert run_setup(SetupPlan(there, there), Answers(), host) == there
        assert there.read_text() == self.TEXT

    def test_a_change_is_shown_and_written_when_that_is_said(self, there, host):
        prompts = Answers(("What is this device", "gate"), ("What now?", "write over it"))
        run_setup(SetupPlan(there, there), prompts, host)
        config = read_config(there)
        assert (config.device.name, config.cameras[0].id, config.engine.threads, config.task.top_k) == (
            "gate",
            "film",
            1,
            1,
        )
        assert "  +  name: gate" in prompts.lines
        assert "  -version: 1  # mine" in prompts.lines

    def test_or_goes_elsewhere(self, there, host):
        prompts = Answers(("What is this device", "gate"), ("What now?", "write another"))
        written = run_setup(SetupPlan(there, there), prompts, host)
        assert written == there.with_name("door-2.yaml")
        assert there.read_text() == self.TEXT

    def test_or_nowhere(self, there, host):
        prompts = Answers(("What is this device", "gate"), ("What now?", "leave it"))
        assert run_setup(SetupPlan(there, there), prompts, host) is None
        assert names(there) == ["door.yaml"]

    def test_what_nobody_was_asked_about_is_not_written_over(self, there, host):
        with pytest.raises(UsageError, match=r"door\.yaml says something else, .*--output"):
            run_setup(SetupPlan(there, None), YES, host)
        assert there.read_text() == self.TEXT

    def test_a_wrong_one_is_no_beginning(self, there, host):
        there.write_text("version: 1\ncamera: 0\n")
        with pytest.raises(ConfigError, match="did you mean 'cameras'"):
            run_setup(SetupPlan(there, there), Answers(), host)


class TestNothingHalf:
    def test_a_closed_folder_is_found_out_before_anything_is_asked(self, path, host):
        prompts = Answers()
        with closed_to_us(path.parent), pytest.raises(AccessError):
            run_setup(SetupPlan(path, None), prompts, host)
        assert (prompts.lines, prompts.offered) == ([], [])

    def test_a_full_disk_at_the_end_loses_no_answer(self, path, host, tmp_path, monkeypatch):
        real = conversation.write_files

        def write(files):
            if files[-1].path == path:
                raise UsageError(f"{path} cannot be written (No space left on device): free some space")
            real(files)

        monkeypatch.setattr(conversation, "write_files", write)
        other = tmp_path / "other.yaml"
        prompts = Answers(("What now?", "try it again"), ("What now?", "write it elsewhere"), ("Where to", str(other)))
        assert run_setup(SetupPlan(path, None), prompts, host) == other
        assert (names(path), read_config(other).cameras[0].uri) == ([], "demo")
        assert len(prompts.troubles) == 2

    def test_no_means_no(self, path, host):
        assert run_setup(SetupPlan(path, None), Answers(("Write this", "no")), host) is None
        assert names(path) == []

    def test_ctrl_c_at_the_last_question(self, path, host):
        class Stopping(Answers):
            def confirm(self, question, *, default):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_setup(SetupPlan(path, None), Stopping(), host)
        assert names(path) == []

    def test_what_was_put_off_is_told_again(self, path, having):
        prompts = Answers(("Which network?", "coral-ssd"), ("What now?", "put it off"))
        run_setup(SetupPlan(path, None), prompts, having(run_ourselves=lambda _arguments, _secrets: 69))
        assert prompts.lines[-4:-2] == ["Still to do, since it was put off:", "mnv2-edge models pull coral-ssd"]
        assert read_config(path).engine.model == "coral-ssd"


class TestService:
    @pytest.fixture
    def ran(self):
        return []

    @pytest.fixture
    def root(self, having, ran):
        """Return the machine after install.sh, as root sees it."""

        def make(status=0, *, is_root=True):
            host = having(is_root=is_root, run_ourselves=lambda arguments, _: ran.append(tuple(arguments)) or status)
            host.paths.installer.parent.mkdir(parents=True)
            host.paths.installer.touch()
            return host

        return make

    def test_it_is_installed_by_root(self, path, root, ran):
        offer_service(path, Answers(), root())
        assert ran == [("service", "install", str(path))]

    def test_or_not(self, path, root, ran):
        offer_service(path, Answers(("Run it as a service", "no")), root())
        assert ran == []

    def test_others_are_told_what_to_type(self, path, root, ran):
        prompts = Answers()
        offer_service(path, prompts, root(is_root=False))
        assert prompts.lines[-1] == f"sudo mnv2-edge service install {path}"
        assert ran == []

    def test_so_is_whoever_has_not_installed_it_yet(self, path, host):
        prompts = Answers()
        offer_service(path, prompts, host)
        assert prompts.lines[-2:] == ["sudo deploy/install.sh", f"sudo mnv2-edge service install {path}"]

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
