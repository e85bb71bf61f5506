import shutil
from pathlib import Path

import pytest

from mnv2_edge.config.read import read_config
from mnv2_edge.errors import AccessError, ConfigError, UsageError
from mnv2_edge.service.installation import carry_out, plan_installation, readable_by_service
from mnv2_edge.service.paths import ServicePaths, instance_name, unit_of
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import CorruptEngineError
from mnv2_engines.proof.self_test import load_in_child

TEXT = """\
# my door
version: 1
cameras:
  - uri: demo   # the film
engine:
  model: bird.tflite   # of last week
labels: "names.txt"
"""


@pytest.fixture
def paths(tmp_path):
    return ServicePaths(tmp_path / "root")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with an engine, its manifest and labels, as a user has them."""
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(demo_engine_path(), folder / "bird.tflite")
    shutil.copy(demo_engine_path().with_suffix(".json"), folder / "bird.json")
    (folder / "names.txt").write_text("a\nb\n")
    return folder


def write(folder, text):
    file = folder / "door.yaml"
    file.write_text(text)
    return file


def test_files_are_copied_and_the_rest_of_the_text_stays(folder, paths):
    plan = plan_installation(write(folder, TEXT), "door", paths)
    carry_out(plan, paths, lambda _engine: None)
    inside = paths.files("door")
    assert sorted(path.name for path in inside.iterdir()) == ["bird.json", "bird.tflite", "names.txt"]
    text = paths.configuration("door").read_text()
    assert text == TEXT.replace("bird.tflite", str(inside / "bird.tflite")).replace(
        '"names.txt"', str(inside / "names.txt")
    )
    config = read_config(paths.configuration("door"))
    assert config.engine.model == str(inside / "bird.tflite")
    assert paths.configuration("door").stat().st_mode & 0o777 == 0o640
    assert inside.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "line", ["engine: {model: bird.tflite, threads: 2}", "engine: {threads: 2, 'model': 'bird.tflite'}"]
)
def test_other_ways_to_write_it(folder, paths, line):
    plan = plan_installation(write(folder, f"version: 1\ncameras: [{{uri: demo}}]\n{line}\n"), "door", paths)
    carry_out(plan, paths, lambda _engine: None)
    config = read_config(paths.configuration("door"))
    assert config.engine.model == str(paths.files("door") / "bird.tflite")
    assert config.engine.threads == 2


def test_the_demo_network_names_of_the_store_and_label_lists_need_no_copy(folder, paths):
    for engine in ("", "engine: {model: birds}\n", "engine: {model: birds.v2}\n", "labels: imagenet\n"):
        text = f"version: 1\ncameras: [{{uri: demo}}]\n{engine}"
        plan = plan_installation(write(folder, text), "door", paths)
        assert (plan.copies, plan.text) == ((), text)


BARE = "version: 1\ncameras: [{uri: demo}]\nengine: {model: bird.tflite}\n"


def test_what_describes_an_engine_without_a_manifest_moves_with_it(folder, paths):
    (folder / "bird.json").unlink()
    (folder / "species.txt").write_text("".join(f"s{number}\n" for number in range(12)))
    (folder / "bird.yaml").write_text("labels: species.txt\npreprocess: {color: BGR}\n")
    carry_out(plan_installation(write(folder, BARE), "door", paths), paths, load_in_child)
    engine = read_engine(paths.files("door") / "bird.tflite")
    assert engine.labels == tuple(f"s{number}" for number in range(12))
    assert engine.sidecar.color == "BGR"


def test_given_labels_win_over_those_of_the_model_under_the_same_name(folder, paths):
    (folder / "bird.json").unlink()
    (folder / "bird.yaml").write_text("labels: names.txt\n")
    (folder / "mine").mkdir()
    (folder / "mine" / "names.txt").write_text("mine\n")
    carry_out(
        plan_installation(write(folder, f"labels: mine/names.txt\n{BARE}"), "door", paths),
        paths,
        lambda _engine: None,
    )
    assert (paths.files("door") / "names.txt").read_text() == "mine\n"


@pytest.mark.parametrize("labels", ["../names.txt", "away.txt"])
def test_a_model_whose_labels_would_not_be_found_is_not_installed(folder, paths, labels):
    (folder / "bird.json").unlink()
    (folder / "bird.yaml").write_text(f"labels: {labels}\n")
    with pytest.raises(ConfigError, match="expected a file beside it"):
        plan_installation(write(folder, BARE), "door", paths)


def test_a_sidecar_of_the_onnx_file_does_not_speak_for_an_engine_that_lost_its_manifest(folder, paths):
    (folder / "bird.json").unlink()
    (folder / "bird.yaml").write_text("preprocess: {mean: 0.0, std: 255.0}\n")
    (folder / "bird.onnx").touch()
    with pytest.raises(ConfigError, match=r"describes bird\.onnx"):
        plan_installation(write(folder, BARE), "door", paths)


def test_a_model_that_was_pulled_is_copied(folder, paths):
    text = BARE.replace("bird.tflite", "birds")
    plan = plan_installation(write(folder, text), "door", paths, {"birds": folder / "bird.tflite"}.get)
    carry_out(plan, paths, load_in_child)
    assert plan.engine_file
    assert read_config(paths.configuration("door")).engine.model == str(paths.files("door") / "bird.tflite")


def test_a_file_that_is_not_there_is_named(folder, paths):
    (folder / "bird.tflite").unlink()
    with pytest.raises(ConfigError, match=r"names bird\.tflite, which is not there"):
        plan_installation(write(folder, TEXT), "door", paths)


def test_a_wrong_configuration_is_not_installed(folder, paths):
    with pytest.raises(ConfigError, match="rotate"):
        plan_installation(write(folder, "version: 1\ncameras: [{uri: demo, rotate: 45}]\n"), "door", paths)
    assert not paths.root.exists()


def test_the_engine_is_verified_in_its_new_place(folder, paths):
    plan = plan_installation(write(folder, TEXT), "door", paths)
    carry_out(plan, paths, load_in_child)
    assert paths.configuration("door").is_file()


def test_an_engine_that_fails_changes_nothing(folder, paths):
    carry_out(plan_installation(write(folder, TEXT), "door", paths), paths, load_in_child)
    before = paths.configuration("door").read_text()
    broken = bytearray((folder / "bird.tflite").read_bytes())
    broken[8:4000] = bytes(3992)
    (folder / "bird.tflite").write_bytes(broken)
    (folder / "bird.json").unlink()
    plan = plan_installation(write(folder, TEXT + "device: {name: other}\n"), "door", paths)
    with pytest.raises(CorruptEngineError):
        carry_out(plan, paths, load_in_child)
    assert paths.configuration("door").read_text() == before
    load_in_child(paths.files("door") / "bird.tflite")
    assert [path.name for path in paths.files("door").parent.iterdir()] == ["door"]


def test_what_cannot_be_written_is_named(folder, paths):
    paths.state.parent.mkdir(parents=True)
    paths.state.write_text("a file in the way")
    plan = plan_installation(write(folder, TEXT), "door", paths)
    with pytest.raises(AccessError, match="cannot be written"):
        carry_out(plan, paths, lambda _engine: None)


@pytest.mark.parametrize("name", ["", "Door", "a/b", "../x", "-x", "x" * 33, "a@b"])
def test_a_name_that_would_not_be_a_unit(name):
    with pytest.raises(UsageError):
        instance_name(name)


def test_instances_are_known_by_their_configurations(paths):
    assert paths.instances() == ()
    paths.configurations.mkdir(parents=True)
    for name in ("yard.yaml", "door.yaml", "notes.txt", "Bad Name.yaml"):
        (paths.configurations / name).touch()
    assert paths.instances() == ("door", "yard")
    assert unit_of("door") == "mnv2-edge@door.service"


class TestSecrets:
    TEXT = """\
version: 1
cameras:
  - {uri: "rtsp://ann@one/", password_file: one/password}
  - uri: rtsp://ann@two/
    password_file: 'two/password'   # another one
sinks:
  - stdout
  - mqtt:
      uri: mqtts://ann@h
      password_file: /nowhere/but/replaced
      ca_file: ca.pem
"""

    @pytest.fixture
    def secrets(self, folder):
        for name in ("one", "two"):
            (folder / name).mkdir()
            (folder / name / "password").write_text(f"{name}\n")
        (folder / "mqtt").write_text("broker\n")
        (folder / "ca.pem").write_text("PEM\n")
        return write(folder, self.TEXT.replace("/nowhere/but/replaced", str(folder / "mqtt")))

    def test_what_the_service_cannot_read_is_copied_for_it_alone(self, secrets, folder, paths):
        plan = plan_installation(secrets, "door", paths, can_read=lambda path: path.suffix == ".pem")
        carry_out(plan, paths, lambda _engine: None)
        inside = paths.files("door")
        assert {path.name: path.read_text() for path in inside.iterdir()} == {
            "password": "one\n",
            "password-2": "two\n",
            "mqtt": "broker\n",
        }
        assert {path.stat().st_mode & 0o777 for path in inside.iterdir()} == {0o600}
        config = read_config(paths.configuration("door"))
        assert [camera.password_file for camera in config.cameras] == [
            str(inside / "password"),
            str(inside / "password-2"),
        ]
        assert config.sinks[1]["mqtt"]["password_file"] == str(inside / "mqtt")
        assert config.sinks[1]["mqtt"]["ca_file"] == "ca.pem"
        assert "# another one" in plan.text

    def test_a_second_installation_keeps_what_the_first_one_copied(self, secrets, paths):
        carry_out(plan_installation(secrets, "door", paths, can_read=lambda _: False), paths, lambda _engine: None)
        installed = paths.configuration("door")
        before = installed.read_text()
        again = plan_installation(installed, "door", paths, can_read=lambda _: True)
        carry_out(again, paths, lambda _engine: None)
        assert installed.read_text() == before
        assert (paths.files("door") / "mqtt").read_text() == "broker\n"

    def test_one_that_is_not_there_is_said_before_anything_is_done(self, secrets, folder, paths):
        (folder / "mqtt").unlink()
        with pytest.raises(ConfigError, match=r"mqtt, which is not there"):
            plan_installation(secrets, "door", paths)

    def test_whether_the_service_can_read_a_file(self, tmp_path):
        (tmp_path / "file").touch(mode=0o600)
        (tmp_path / "file").chmod(0o600)
        assert not readable_by_service(tmp_path / "file")
        (tmp_path / "file").chmod(0o644)
        assert readable_by_service(tmp_path / "file")
        assert not readable_by_service(Path("/home/ann/password"))
