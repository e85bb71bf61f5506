"""`mnv2-edge build-engine` as a user has it: a real process, a real network, real pictures."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import onnx
import pytest

from mnv2_edge.demo import SIGN_NAMES, render
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.sidecar import read_sidecar
from mnv2_engines.preprocessing.preprocess import Preprocess
from support.command import COMMAND, call, environment, errors, json_lines


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 30 scenes as PNG."""
    folder = tmp_path_factory.mktemp("pictures") / "photos"
    folder.mkdir()
    for scene in range(30):
        cv2.imwrite(str(folder / f"{scene}.png"), cv2.cvtColor(render(5, 40 * scene), cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture
def model(root: Path, tmp_path: Path) -> Path:
    """Copy the demo network to a folder of its own; nothing lies beside it."""
    return Path(shutil.copy(root / "engines" / "mnv2_engines" / "demo" / "demo.onnx", tmp_path / "signs.onnx"))


def test_a_folder_of_pictures_makes_an_engine_that_runs(model: Path, photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(SIGN_NAMES))
    report = tmp_path / "report.html"
    output = tmp_path / "signs.tflite"
    done = call(
        "build-engine", model, "--calibration", photos, "--labels", labels, "--report", report, "--output", output,
        home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"run it: mnv2-edge run --model {output}" in done.stdout
    assert "same top-1 as the float network on 6 of 6 pictures" in done.stdout
    assert "all on XNNPACK" in done.stdout
    assert report.read_text().startswith("<!doctype html>")
    manifest = read_engine(output).manifest
    assert (manifest.task, manifest.labels) == ("classify", tuple(SIGN_NAMES))
    assert manifest.calibration.images == 24
    assert manifest.verification.images == 6
    ran = call("run", "--model", output, "--camera", photos / "0.png", "--format", "jsonl", home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert json_lines(ran.stdout)[0]["engine"].startswith("signs@")


def test_without_an_output_it_goes_to_the_store_and_runs_by_its_name(model: Path, photos: Path, tmp_path: Path) -> None:
    done = call("build-engine", model, "--calibration", photos, "--name", "door", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run it: mnv2-edge run --model door" in done.stdout
    assert (tmp_path / "engines" / "door" / "door.tflite").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engines", "mnv2-edge", "signs.onnx"]
    for arguments in ((), ("--model", "door")):
        ran = call("run", *arguments, "--camera", photos / "0.png", "--format", "jsonl", home=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert json_lines(ran.stdout)[0]["engine"].startswith("door@")
        assert "demo network" not in ran.stderr
    wrong = call("run", "--model", "dor", "--camera", photos / "0.png", home=tmp_path)
    assert wrong.returncode == 65
    assert "did you mean door?" in errors(wrong.stderr)[0]


def test_json_tells_all_and_stdout_holds_nothing_else(model: Path, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "other.tflite"
    done = call(
        "build-engine", model, "--calibration", photos, "--validation", photos, "--output", output,
        "--name", "my-signs", "--calibration-frames", "12", "--json", home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    engine = read_engine(output)
    assert told["engine"] == str(output)
    assert told["id"] == engine.id
    assert told["id"].startswith("my-signs@")
    assert told["installed"] is True
    assert told["calibration"] == {"source": str(photos), "images": 12}
    assert told["verification"]["images"] == 30
    assert any("12 pictures only: 50 to 100" in warning for warning in told["warnings"])
    assert any("nothing states mean and std" in warning for warning in told["warnings"])
    assert "12 pictures only" in done.stderr


def test_a_sidecar_states_the_contract_and_flags_win(model: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "signs.txt").write_text("\n".join(SIGN_NAMES))
    model.with_suffix(".yaml").write_text(
        "preprocess: {color: RGB, mean: 127.5, std: 127.5, resize: stretch}\ntask: classify\nlabels: signs.txt\n"
    )
    done = call("build-engine", model, "--calibration", photos, "--resize", "center-crop:0.9", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["warnings"] == []
    manifest = read_engine(Path(told["engine"])).manifest
    assert manifest.labels == tuple(SIGN_NAMES)
    stated = manifest.preprocess_model.value()
    assert (stated.resize.kind, stated.resize.fraction) == ("center-crop", 0.9)
    assert stated.mean == Preprocess().mean


def test_a_loss_ends_with_1_and_leaves_the_old_engine(model: Path, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "signs.tflite"
    output.write_bytes(b"old engine")
    arguments = (
        "build-engine",
        model,
        "--calibration",
        photos,
        "--min-sqnr",
        "90",
        "--mean",
        "127.5",
        "--std",
        "127.5",
        "--output",
        output,
    )
    done = call(*arguments, "--json", home=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["installed"] is False
    assert output.read_bytes() == b"old engine"
    said = "\n".join(errors(done.stderr))
    assert "90 dB are needed" in said
    assert "likely cause: calibrated on 24 pictures" in said
    assert f"kept as {tmp_path / 'signs.rejected.tflite'}" in said
    assert "Traceback" not in done.stderr
    shown = call(*arguments, home=tmp_path)
    assert "layers that lost most:" in shown.stdout
    accepted = call(*arguments, "--accept-loss", home=tmp_path)
    assert accepted.returncode == 0, accepted.stderr
    assert read_engine(output).manifest.accepted_loss.min_sqnr_db == 90.0
    assert "accepted loss: " in accepted.stdout


def test_without_pictures_the_command_to_type_is_told(model: Path, tmp_path: Path) -> None:
    done = call(
        "build-engine", model, "--color", "BGR", "--mean", "1,2,3", "--std", "4", "--accept-loss", home=tmp_path
    )
    assert done.returncode == 2
    (line,) = errors(done.stderr)
    typed = f"mnv2-edge build-engine {model} --mean 1,2,3 --std 4,4,4 --color BGR --accept-loss"
    assert f"`{typed} --calibration 0 --calibration-frames 125`" in line
    assert "never on random data" in line


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), 2, "`mnv2-edge build-engine --calibration 0 --calibration-frames 125`"),
        (("coral-mobilenet-v2", "--calibration", "demo"), 2, "is a TFLite file already"),
        (("none.onnx", "--calibration", "."), 65, "none.onnx"),
        ((f"{'x' * 300}.onnx", "--name", "x", "--calibration", "."), 65, "cannot be read: File name too long"),
        (("{model}", "--target", "tensorrt"), 69, "TensorRT"),
        (("{model}", "--precision", "fp16"), 2, "fp16 is TensorRT's"),
        (("{model}", "--calibration", "nowhere"), 69, "nowhere"),
        (("{model}", "--calibration", "rtsp://me:secret@host/x"), 2, "holds a password"),
        (("{model}", "--calibration", "demo", "--output", "x.bin"), 2, r"does not end in .tflite"),
        (("{model}", "--calibration", "demo", "--output", "no/x.tflite"), 2, "there is no folder no"),
        (("{model}", "--calibration", "demo", "--name", "a b"), 2, "cannot stand in records"),
        (("{model}", "--calibration", "demo", "--mean", "1"), 2, "state both"),
        (("{model}", "--calibration", "demo", "--resize", "crop"), 2, "resize 'crop' is unknown"),
        (("{model}", "--calibration", "demo", "--labels", "few.txt"), 65, "2 labels"),
        (("{model}", "--calibration", "photo"), 1, "at least 2 are needed"),
    ],
)
def test_mistakes_are_one_line_and_a_status(model: Path, photos: Path, tmp_path: Path, arguments, status, says) -> None:
    (tmp_path / "few.txt").write_text("a\nb\n")
    (tmp_path / "photo").mkdir()
    shutil.copy(photos / "0.png", tmp_path / "photo")
    done = subprocess.run(
        [*COMMAND, "build-engine", *(argument.format(model=model) for argument in arguments)],
        cwd=tmp_path, env=environment(tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    (line,) = errors(done.stderr)
    assert says in line
    assert "secret" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "engines" / "signs").exists()
    assert not list(tmp_path.rglob("*.tflite"))


def test_an_unknown_operator_is_named(tmp_path: Path, photos: Path) -> None:
    node = onnx.helper.make_node("NonZero", ["x"], ["y"], name="odd")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT64, None)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out])), tmp_path / "odd.onnx")
    done = call("build-engine", tmp_path / "odd.onnx", "--calibration", photos, home=tmp_path)
    assert done.returncode == 65
    assert "NonZero" in errors(done.stderr)[0]
    assert "odd" in errors(done.stderr)[0]


def at_a_terminal(model: Path, home: Path, answer: bytes) -> tuple[int, str]:
    """Run the command on a pseudo terminal, type the answer, and return status and everything shown."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "build-engine", str(model), "--calibration-frames", "2"],
        stdin=terminal, stdout=terminal, stderr=terminal, env=environment(home, TERM="xterm"),
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    answered = False
    try:
        while True:
            try:
                chunk = os.read(controller, 4096)
            except OSError:  # Linux: the other end is closed
                break
            if not chunk:
                break
            shown += chunk
            if not answered and b"[y/N]" in shown:
                os.write(controller, answer)
                answered = True
        return process.wait(timeout=30), shown.decode(errors="replace")
    finally:
        os.close(controller)
        process.kill()


def test_at_a_terminal_the_camera_is_offered(model: Path, tmp_path: Path) -> None:
    status, shown = at_a_terminal(model, tmp_path, b"n\n")
    assert "Take 2 with the first camera now?" in shown
    assert status == 2
    if not Path("/dev/video0").exists():
        status, shown = at_a_terminal(model, tmp_path, b"y\n")
        assert status == 69, shown


def test_a_terminal_sees_how_far_it_is(model: Path, photos: Path, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "build-engine", str(model), "--calibration", str(photos), "--json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal, env=environment(tmp_path, TERM="xterm"),
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while True:
        try:
            chunk = os.read(controller, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(controller)
    assert process.stdout is not None
    told = json.loads(process.stdout.read())
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert told["installed"] is True
    assert b"Calibrating" in shown
    assert b"Verifying" in shown


def test_the_example_in_the_guide_runs(root: Path, model: Path, photos: Path, tmp_path: Path) -> None:
    guide = (root / "docs" / "build-engine.md").read_text(encoding="utf-8")
    program = guide.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "photos").symlink_to(photos)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("signs.tflite (OutputFacts(")


def test_the_sidecar_in_the_guide_is_read(root: Path, tmp_path: Path) -> None:
    guide = (root / "docs" / "build-engine.md").read_text(encoding="utf-8")
    (tmp_path / "signs.yaml").write_text(guide.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    stated = read_sidecar(tmp_path / "signs.onnx")
    assert stated.mean == (123.675, 116.28, 103.53)
    assert stated.labels_file == tmp_path / "labels.txt"
