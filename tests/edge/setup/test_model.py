"""Networks are offered, brought here, shown what the camera sees, and mended or left."""

import shutil
import subprocess
import sys

import pytest

from mnv2_edge.config.model import CameraConfig, Config, EngineConfig
from mnv2_edge.errors import StepFailedError
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.machine import run_ourselves
from mnv2_edge.setup.model import offered_networks, pick_network
from mnv2_edge.setup.prompts import DefaultPrompts
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.store import Store
from support.asking import Answers

FILM = (CameraConfig(uri="demo"),)
NEW = ConfigDraft(Config(version=1, cameras=FILM), is_new=True)
USB = ConfigDraft(Config(version=1, cameras=(CameraConfig(uri="0"),)), is_new=True)


def command(draft, host, model):
    return next(option.value.command for option in offered_networks(draft, host) if option.value.model == model)


def existing(model):
    return ConfigDraft(Config(version=1, cameras=FILM, engine=EngineConfig(model=model, threads=1)), is_new=False)


class Commands:
    """Stand for `mnv2-edge`: end with the next status, the last one again and again."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.ran = []

    def __call__(self, arguments, secrets):
        self.ran.append((tuple(arguments), dict(secrets)))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


class TestOffer:
    def test_what_there_is_and_what_it_takes(self, host):
        offered = {option.label: option for option in offered_networks(USB, host)}
        assert offered["coral-mobilenet-v2"].value.command == ("models", "pull", "coral-mobilenet-v2")
        assert offered["mobilenet-v2"].value.command == ("build-engine", "mobilenet-v2", "--calibration", "0")
        assert offered["demo"].value.command == ()
        assert "3.4 MiB to fetch; Apache-2.0" in offered["coral-mobilenet-v2"].detail
        assert list(offered)[-1] == "demo"

    def test_a_gpu_needs_no_pictures(self, having):
        assert command(USB, having(is_jetson=True), "mobilenet-v2") == ("build-engine", "mobilenet-v2")

    def test_the_default_of_the_store_comes_first(self, host, put_engines):
        put_engines("birds", "signs", default="signs")
        offered = offered_networks(USB, host)
        assert [option.label for option in offered[:2]] == ["signs", "birds"]
        assert offered[0].detail == "your engine, default, damaged"  # it has no recipe


class TestDefault:
    def test_the_demo_network_for_the_demo_film(self, host):
        prompts = Answers()
        assert pick_network(NEW, prompts, host).config.engine.model == "demo"
        assert "mnv2-edge run --camera demo --model demo" in prompts.lines
        assert any(line.startswith("in ") and "pictures it sees: " in line for line in prompts.lines)
        assert any(" frames/s, " in line and "demo@" in line for line in prompts.lines)

    def test_one_of_the_catalogue_for_a_camera(self, having):
        ran = Commands(69)
        prompts = Answers(("What now?", "put it off"))
        draft = pick_network(USB, prompts, having(run_ourselves=ran))
        assert draft.config.engine.model == "coral-mobilenet-v2"
        assert draft.put_off == ("mnv2-edge models pull coral-mobilenet-v2",)
        assert ran.ran == [(("models", "pull", "coral-mobilenet-v2"), {})]

    def test_what_can_be_a_plan_on_a_jetson(self, having):
        ran = Commands(69)
        pick_network(USB, Answers(("What now?", "put it off")), having(run_ourselves=ran, is_jetson=True))
        assert ran.ran == [(("build-engine", "mobilenet-v2"), {})]

    def test_the_store_s(self, host, put_engines):
        put_engines("birds", default="birds")
        assert pick_network(NEW, Answers(), host).config.engine.model == "birds"

    def test_one_that_is_here_before_one_to_fetch(self, having, put_engines):
        put_engines("birds", default="birds")
        host = having(run_ourselves=Commands(69))
        Store(host.environment.home).folder.joinpath(".default").unlink()
        draft = ConfigDraft(Config(version=1, cameras=(CameraConfig(uri="demo?seed=2"),)), is_new=True)
        assert pick_network(draft, Answers(), host).config.engine.model == "birds"

    def test_what_is_configured(self, host, put_engines):
        put_engines("birds", "signs", default="birds")
        draft = existing("signs")
        assert pick_network(draft, Answers(), host) == draft
        silent = existing(None)
        prompts = Answers()
        assert pick_network(silent, prompts, host) == silent
        assert prompts.offered[0][0] == "as `mnv2-edge engines default` says"


class TestBringing:
    def test_another_one_after_a_failure(self, having):
        prompts = Answers(
            ("Which network?", "coral-ssd"),
            ("What now?", "try it again"),
            ("What now?", "pick another"),
            ("Which network?", "demo"),
        )
        ran = Commands(69)
        assert pick_network(NEW, prompts, having(run_ourselves=ran)).config.engine.model == "demo"
        assert len(ran.ran) == 2
        assert "that did not work (exit status 69)" in prompts.troubles[0]

    def test_the_camera_s_password_goes_by_the_environment(self, having):
        draft = ConfigDraft(
            Config(version=1, cameras=(CameraConfig(uri="rtsp://ann@cam/"),)),
            is_new=True,
            camera_passwords={0: "horse4711"},
        )
        ran = Commands(69)
        prompts = Answers(("Which network?", "mobilenet-v2-1k-v1"), ("What now?", "put it off"))
        pick_network(draft, prompts, having(run_ourselves=ran))
        ((arguments, secrets),) = ran.ran
        assert secrets == {"MNV2_EDGE_CAMERA_PASSWORD": "horse4711"}
        assert "horse4711" not in " ".join((*arguments, *prompts.lines))

    def test_ctrl_c_while_it_is_pulled_ends_the_setup(self, having):
        with pytest.raises(KeyboardInterrupt):
            pick_network(USB, Answers(), having(run_ourselves=Commands(130)))

    def test_one_that_is_killed_is_thought_to_have_wanted_memory(self, having, tmp_path):
        """By the real command; a build is what is killed first on a small board."""
        (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 9)\n")

        def run(arguments, _secrets):
            return run_ourselves(arguments, {"PYTHONPATH": str(tmp_path)})

        with pytest.raises(StepFailedError, match="want of memory") as excinfo:
            pick_network(USB, DefaultPrompts(lambda _text, _mark: None), having(run_ourselves=run))
        assert excinfo.value.exit_status == 75

    def test_where_nobody_can_be_asked_the_status_is_that_of_the_command(self, having):
        with pytest.raises(StepFailedError) as excinfo:
            pick_network(USB, DefaultPrompts(lambda _text, _mark: None), having(run_ourselves=Commands(69)))
        assert excinfo.value.exit_status == 69


class TestFiles:
    def test_an_engine_with_its_labels_beside_it(self, host, tmp_path):
        for suffix in (".tflite", ".json"):
            shutil.copy(demo_engine_path().with_suffix(suffix), tmp_path / f"door{suffix}")
        prompts = Answers(("Which network?", "a file"), ("Its path", str(tmp_path / "door.tflite")))
        draft = pick_network(NEW, prompts, host)
        assert (draft.config.engine.model, draft.config.labels) == (str(tmp_path / "door.tflite"), None)

    def test_one_without_is_asked_for_them(self, host, tmp_path):
        shutil.copy(demo_engine_path(), tmp_path / "door.tflite")
        (tmp_path / "names.txt").write_text("".join(f"sign {number}\n" for number in range(12)))
        prompts = Answers(
            ("Which network?", "a file"),
            ("Its path", str(tmp_path)),
            ("Its path", str(tmp_path / "door.tflite")),
            ("Label file", str(tmp_path / "nowhere.txt")),
            ("Label file", str(tmp_path / "names.txt")),
        )
        draft = pick_network(NEW, prompts, host)
        assert draft.config.labels == str(tmp_path / "names.txt")
        assert "it sees: sign " in prompts.text
        assert len(prompts.troubles) == 2

    def test_an_onnx_file_is_built(self, having, tmp_path, root):
        """By the real command, on the film."""
        model = tmp_path / "door.onnx"
        shutil.copy(root / "engines/mnv2_engines/demo/demo.onnx", model)
        host = having()

        def run(arguments, _secrets):
            assert tuple(arguments) == ("build-engine", str(model), "--calibration", "demo", "--name", "front-door")
            environment = {"MNV2_EDGE_HOME": str(host.environment.home), "XDG_CACHE_HOME": str(tmp_path)}
            command = [sys.executable, "-m", "mnv2_edge", *arguments, "--calibration-frames", "10"]
            return subprocess.run(command, check=False, capture_output=True, env=environment).returncode

        prompts = Answers(
            ("Which network?", "a file"),
            ("Its path", str(model)),
            ("What to call", "no/name"),
            ("What to call", "front-door"),
        )
        draft = pick_network(NEW, prompts, having(run_ourselves=run))
        assert draft.config.engine.model == "front-door"
        assert "(front-door@" in prompts.text
        assert offered_networks(NEW, host)[0].detail == "your engine, classify, default"


class TestTrouble:
    def test_labels_that_do_not_fit_are_said_and_another_network_is_picked(self, host, tmp_path):
        shutil.copy(demo_engine_path(), tmp_path / "door.tflite")
        prompts = Answers(
            ("Which network?", "a file"),
            ("Its path", str(tmp_path / "door.tflite")),
            ("Label file", "coco"),
            ("What now?", "pick another"),
            ("Which network?", "demo"),
        )
        draft = pick_network(NEW, prompts, host)
        assert (draft.config.engine.model, draft.config.labels) == ("demo", None)
        assert "labels" in prompts.troubles[0]

    def test_what_is_no_engine_may_be_kept(self, host, tmp_path):
        (tmp_path / "door.tflite").write_bytes(b"no engine")
        prompts = Answers(
            ("Which network?", "a file"), ("Its path", str(tmp_path / "door.tflite")), ("What now?", "keep it")
        )
        assert pick_network(NEW, prompts, host).config.engine.model == str(tmp_path / "door.tflite")
        assert prompts.troubles

    def test_another_network_does_not_get_the_configured_one_s_mean(self, host):
        engine = EngineConfig(model="gone", threads=1, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
        draft = ConfigDraft(Config(version=1, cameras=FILM, engine=engine, labels="coco"), is_new=False)
        changed = pick_network(draft, Answers(("Which network?", "demo")), host).config
        assert changed.engine == EngineConfig(model="demo", threads=1)
        assert changed.labels is None

    def test_without_a_camera_the_film_stands_in(self, host):
        draft = ConfigDraft(
            Config(version=1, cameras=(CameraConfig(uri="/dev/none"),)), is_new=True, untried=frozenset({0})
        )
        prompts = Answers(("Which network?", "demo"))
        assert pick_network(draft, prompts, host).config.engine.model == "demo"
        assert "in the demo's film it sees: " in prompts.text
