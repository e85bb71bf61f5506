"""The command `run` as a user has it: a real process, real files, real signals."""

import signal
import time
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.demo import render, true_label
from mnv2_edge.records import json_schema
from support.command import call, errors, json_lines, start

DEMO = ("run", "--camera", "demo?seed=3&fps=60&frames=40")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 300 frames of the demo film as an MJPG video of 160x120."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 120))
    for index in range(300):
        writer.write(cv2.cvtColor(render(5, index, (160, 120)), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.mark.parametrize("quality", ["antialias", "fast"])
def test_photographs_are_named_rightly(shared: Path, tmp_path: Path, quality: str) -> None:
    models = shared / "models"
    done = call(
        "run", "--camera", shared / "images", "--model", models / "mobilenet_v2_1.0_224_quant.tflite",
        "--labels", models / "imagenet_labels.txt", "--resize", "center-crop", "--resize-quality", quality,
        home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    best = {record["picture"]: record["predictions"][0]["label"] for record in json_lines(done.stdout)}
    assert best["cat_720p.jpg"] == "Egyptian cat"
    assert best["parrot.jpg"] == "macaw"
    assert best["hot_dog.jpg"].startswith("hotdog")
    assert best["bus.jpg"] == "minibus"


def test_every_line_is_valid_against_the_schema(tmp_path: Path) -> None:
    done = call(*DEMO, home=tmp_path)
    assert done.returncode == 0, done.stderr
    records = json_lines(done.stdout)
    validator = jsonschema.Draft202012Validator(json_schema())
    for record in records:
        validator.validate(record)
    assert len(records) + records[-1]["dropped"] == 40
    assert {record["camera"] for record in records} == {"camera0"}


def test_the_demo_network_reads_the_film_and_says_that_it_is_only_the_demo(tmp_path: Path) -> None:
    done = call(*DEMO, "--pace", "max", home=tmp_path)
    records = json_lines(done.stdout)
    right = sum(record["predictions"][0]["label"] == true_label(3, record["frame"]) for record in records)
    assert len(records) == 40
    assert right >= 38
    (warning,) = [line for line in done.stderr.splitlines() if "demo network" in line]
    assert "build-engine" in warning


def test_a_video_flat_out_gives_every_frame_in_order(tmp_path: Path, film: Path) -> None:
    done = call("run", "--camera", film, "--pace", "max", home=tmp_path)
    assert done.returncode == 0, done.stderr
    records = json_lines(done.stdout)
    assert [record["frame"] for record in records] == list(range(300))
    assert records[-1]["dropped"] == 0


def test_nothing_of_a_file_is_lost_to_a_slow_reader(tmp_path: Path, film: Path) -> None:
    process = start("run", "--camera", film, home=tmp_path)
    assert process.stdout is not None
    time.sleep(3)  # the pipe and the queue are full by now
    frames = [record["frame"] for record in json_lines(process.stdout.read())]
    assert process.wait(20) == 0
    assert frames == list(range(300))
    process.communicate()


def test_a_pipe_that_closes_ends_the_run_quietly(tmp_path: Path) -> None:
    process = start("run", "--camera", "demo", home=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert "reader" in err


def test_a_sink_that_fails_ends_the_run_with_status_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no line")

    monkeypatch.setattr("mnv2_edge.sinks.text_lines.JsonLines.line", fail)
    assert program.main(["run", "--camera", "demo", "--format", "jsonl"]) == 70
    (error,) = errors(capsys.readouterr().err)
    assert "writing to stdout failed: ZeroDivisionError: no line" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_a_second(tmp_path: Path, number: int) -> None:
    process = start("run", "--camera", "demo", home=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 1.0
    assert process.returncode == 0
    assert "Traceback" not in err


def test_max_frames_is_exact(tmp_path: Path) -> None:
    done = call("run", "--camera", "demo", "--max-frames", "7", home=tmp_path)
    assert done.returncode == 0
    assert len(json_lines(done.stdout)) == 7


def test_two_cameras_are_told_apart(tmp_path: Path) -> None:
    cameras = ("--camera", "demo?frames=20&fps=60", "--camera", "demo?frames=20&fps=60&seed=9")
    records = json_lines(call("run", *cameras, home=tmp_path).stdout)
    for camera in ("camera0", "camera1"):
        mine = [record for record in records if record["camera"] == camera]
        assert mine
        assert [record["frame"] for record in mine] == sorted(record["frame"] for record in mine)


def test_text_shows_a_line_a_change(tmp_path: Path) -> None:
    done = call(*DEMO, "--format", "text", "--pace", "max", home=tmp_path)
    lines = done.stdout.splitlines()
    assert 4 <= len(lines) <= 8  # 40 frames show four signs
    assert any(true_label(3, 0) in line for line in lines)


class TestBadInput:
    """One line that says what, what was expected and what to type; the right status; no traceback."""

    @staticmethod
    def failed(status: int, *args: str | Path, home: Path, **more: str) -> str:
        done = call(*args, home=home, **more)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        (line,) = errors(done.stderr)
        return line

    def test_no_such_camera(self, tmp_path: Path) -> None:
        line = self.failed(69, "run", "--camera", "/dev/video77", home=tmp_path)
        assert "/dev/video77" in line
        assert "mnv2-edge cameras" in line

    def test_no_such_file(self, tmp_path: Path) -> None:
        assert "holiday.mp4" in self.failed(69, "run", "--camera", "holiday.mp4", home=tmp_path)

    def test_an_unreadable_picture_is_skipped_and_counted(self, tmp_path: Path) -> None:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for index in range(4):
            cv2.imwrite(str(folder / f"{index}.png"), render(1, index)[..., ::-1])
        (folder / "1.png").write_bytes(b"no picture")
        (folder / "2.png").write_bytes(b"")
        done = call("run", "--camera", folder, home=tmp_path)
        assert done.returncode == 0
        records = json_lines(done.stdout)
        assert [record["picture"] for record in records] == ["0.png", "3.png"]
        assert records[-1]["skipped"] == 2
        assert sum("1.png" in line for line in done.stderr.splitlines()) == 1

    def test_a_folder_in_which_no_picture_can_be_read(self, tmp_path: Path) -> None:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for index in range(3):
            (folder / f"{index}.png").write_bytes(b"no picture")
        line = self.failed(69, "run", "--camera", folder, home=tmp_path)
        assert "none of 3 pictures could be read" in line

    def test_a_truncated_video(self, tmp_path: Path, film: Path) -> None:
        cut = tmp_path / "cut.avi"
        cut.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
        done = call("run", "--camera", cut, home=tmp_path)
        assert done.returncode == 0
        frames = [record["frame"] for record in json_lines(done.stdout)]
        assert 50 < len(frames) < 300
        assert frames == list(range(len(frames)))
        assert "cut.avi" in done.stderr

    def test_an_engine_that_is_no_flatbuffer(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.tflite"
        broken.write_bytes(b"not an engine")
        line = self.failed(65, "run", "--camera", "demo", "--model", broken, home=tmp_path)
        assert "broken.tflite" in line
        assert "build-engine" in line

    def test_labels_that_do_not_fit(self, tmp_path: Path) -> None:
        labels = tmp_path / "labels.txt"
        labels.write_text("\n".join(f"sign {number}" for number in range(13)))
        line = self.failed(65, "run", "--camera", "demo", "--labels", labels, home=tmp_path)
        assert "13" in line
        assert "12" in line
        assert "background" in line

    def test_a_password_on_the_command_line(self, tmp_path: Path) -> None:
        line = self.failed(2, "run", "--camera", "demo", "--mqtt", "mqtt://ann:hush@localhost", home=tmp_path)
        assert "MNV2_EDGE_MQTT_PASSWORD" in line
        assert "hush" not in line

    def test_home_assistant_without_a_broker(self, tmp_path: Path) -> None:
        line = self.failed(2, "run", "--camera", "demo", "--homeassistant", home=tmp_path)
        assert "--mqtt mqtt://HOST" in line

    @pytest.mark.parametrize("flag", ["--mqtt", "--model", "--labels", "--device-name", "--task", "--resize"])
    def test_a_shell_variable_that_is_not_set(self, flag: str, tmp_path: Path) -> None:
        assert f"{flag} is empty" in self.failed(2, "run", "--camera", "demo", flag, "", home=tmp_path)

    def test_a_configuration_with_five_mistakes(self, tmp_path: Path) -> None:
        config = tmp_path / "config.yaml"
        config.write_text(
            "version: 1\n"
            "cameras:\n"
            "  - uri: demo\n"
            "    rotat: 90\n"
            "    flip: sideways\n"
            "engine: {threads: many}\n"
            "task: {top_k: 0}\n"
            "sinks: [{mqt: {uri: 'mqtt://x'}}]\n"
        )
        done = call("run", "--config", config, home=tmp_path)
        assert done.returncode == 78
        found = errors(done.stderr)
        assert len(found) == 5
        for line, key in zip(found, ["rotat", "flip", "threads", "top_k", "mqt"], strict=True):
            assert f"{config}:" in line
            assert key in line
        assert "did you mean 'rotate'" in found[0]

    def test_an_unknown_task_and_group(self, tmp_path: Path) -> None:
        assert "classify" in self.failed(2, "run", "--camera", "demo", "--task", "clasify", home=tmp_path)

    def test_an_absurd_crop(self, tmp_path: Path) -> None:
        assert "FRACTION" in self.failed(2, "run", "--camera", "demo", "--resize", "center-crop:7", home=tmp_path)


def test_an_upside_down_camera_is_turned(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in (0, 10, 20, 30):
        cv2.imwrite(str(folder / f"{index}.png"), np.ascontiguousarray(render(1, index)[::-1, ::-1, ::-1]))
    done = call("run", "--camera", folder, "--rotate", "180", home=tmp_path)
    labels = [record["predictions"][0]["label"] for record in json_lines(done.stdout)]
    assert sum(label == true_label(1, index) for label, index in zip(labels, (0, 10, 20, 30), strict=True)) >= 3
