"""`mnv2-edge evaluate` as a user has it: a real process, the demo network, rendered signs with a known truth."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_edge.demo import SIGN_NAMES, render, true_label
from support.command import call, errors
from support.pages import check

SEED = 77
PICTURES = 60


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render signs into class folders, one sign out of three larger than the camera's usual size."""
    root = tmp_path_factory.mktemp("signs")
    for number in range(PICTURES):
        frame = 10 * number + number % 10
        folder = root / true_label(SEED, frame)
        folder.mkdir(exist_ok=True)
        size = (640, 480) if number % 3 == 0 else (320, 240)
        cv2.imwrite(str(folder / f"{number:03d}.png"), cv2.cvtColor(render(SEED, frame, size), cv2.COLOR_RGB2BGR))
    return root


@pytest.fixture
def engine(root: Path, tmp_path: Path) -> Path:
    """Copy the demo engine, its manifest and its ONNX file to a folder of their own."""
    for name in ("demo.tflite", "demo.json", "demo.onnx"):
        shutil.copy(root / "engines" / "mnv2_engines" / "demo" / name, tmp_path)
    return tmp_path / "demo.tflite"


def evaluate(engine, data, tmp_path, *more):
    done = call("evaluate", "--model", engine, "--data", data, *more, home=tmp_path)
    assert "Traceback" not in done.stderr
    return done


def evaluate_json(engine, data, tmp_path, *more):
    done = evaluate(engine, data, tmp_path, "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_signs_are_told_apart_as_in_the_demo(engine, signs, tmp_path):
    told = evaluate_json(engine, signs, tmp_path)
    assert told["pictures"] == {"found": PICTURES, "judged": PICTURES, "unreadable": []}
    assert told["labels"] == list(SIGN_NAMES)
    assert told["engine"]["top1"]["value"] >= 0.95
    assert told["engine"]["top1"]["interval_95"][0] < told["engine"]["top1"]["value"]
    assert told["float"]["top1"]["value"] >= 0.95
    assert told["float"]["agreement"]["value"] >= 0.95
    assert told["float"]["name"] == "demo.onnx"
    matrix = np.array(told["confusion"]["rows"])
    assert matrix.sum() == PICTURES
    assert np.trace(matrix) == told["engine"]["top1"]["right"]
    assert [one["pictures"] for one in told["classes"]] == [PICTURES // 12] * 12
    assert told["thresholds"][0]["published"] == PICTURES
    assert told["notes"] == []


def test_the_truth_decides(engine, signs, tmp_path):
    """With the folders' names shuffled the same answers are wrong, and the command says what it looks like."""
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for place, name in enumerate(SIGN_NAMES):
        (shuffled / SIGN_NAMES[(place + 1) % len(SIGN_NAMES)]).symlink_to(signs / name)
    report = tmp_path / "report.html"
    done = evaluate(engine, shuffled, tmp_path, "--min-accuracy", "0.9", "--report", report)
    assert done.returncode == 1
    (error,) = errors(done.stderr)
    assert "below --min-accuracy 90 %" in error
    assert "note: with the classes named in another order top-1 would be" in done.stdout
    assert "WRONG, SUREST FIRST" in done.stdout
    assert f"report: {report}" in done.stdout
    html = report.read_text()
    assert check(html).tags.count("img") >= 40


def test_a_person_reads_tables(engine, signs, tmp_path):
    done = evaluate(engine, signs, tmp_path, "--min-accuracy", "0.9")
    assert done.returncode == 0, done.stderr
    for heading in ("CLASS, WEAKEST FIRST", "SCORE_THRESHOLD", "top-1 ", "float top-1", "agreement"):
        assert heading in done.stdout
    assert "95 % interval" in done.stdout


def test_broken_pictures_are_counted_and_named(engine, signs, tmp_path):
    data = Path(shutil.copytree(signs, tmp_path / "data"))
    victim = next((data / "stop").iterdir())
    victim.write_bytes(victim.read_bytes()[:1000])
    (data / "stop" / "empty.jpg").touch()
    (data / "stop" / "phone.heic").touch()
    told = evaluate_json(engine, data, tmp_path, "--no-float")
    assert told["pictures"]["judged"] == PICTURES - 1
    broken = {Path(one["picture"]).name: one["reason"] for one in told["pictures"]["unreadable"]}
    assert broken.keys() == {victim.name, "empty.jpg"}
    assert "ends in the middle" in broken[victim.name]
    assert told["float"] is None
    assert told["notes"] == ["files of a kind that is not read: 1 .heic"]
    done = evaluate(engine, data, tmp_path, "--no-float")
    assert "left out: 2\n" in done.stdout
    assert str(victim) in done.stdout


def test_a_limit_is_spread_over_all_classes(engine, signs, tmp_path):
    told = evaluate_json(engine, signs, tmp_path, "--limit", "24", "--no-float")
    assert (told["pictures"]["found"], told["pictures"]["judged"]) == (PICTURES, 24)
    assert [one["pictures"] for one in told["classes"] if one["pictures"]] == [2] * 12


def test_pictures_go_the_frame_path(engine, signs, tmp_path):
    """A picture that EXIF turns is judged upright, and the resize policy is the one that is asked for."""
    data = tmp_path / "data" / "turn left"
    data.mkdir(parents=True)
    picture = cv2.imread(str(next((signs / "turn left").iterdir())))
    done, jpeg = cv2.imencode(".jpg", cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE))
    assert done
    exif = bytes.fromhex("ffe1 0022 457869660000 4d4d002a00000008 0001 0112 0003 00000001 0006 0000 00000000")
    (data / "phone.jpg").write_bytes(jpeg[:2].tobytes() + exif + jpeg[2:].tobytes())
    (data / "lying.jpg").write_bytes(jpeg.tobytes())
    told = evaluate_json(engine, data.parent, tmp_path, "--no-float", "--resize", "letterbox")
    assert [mistake["picture"] for mistake in told["worst"]] == ["turn left/lying.jpg"]
    assert told["engine"]["preprocess"]["resize"] == "letterbox"


def test_the_float_network_is_found_by_its_hash(engine, signs, tmp_path):
    onnx = engine.with_suffix(".onnx")
    moved = onnx.rename(tmp_path / "elsewhere.onnx")
    told = evaluate_json(engine, signs, tmp_path, "--limit", "12")
    assert told["float"] is None
    assert "the ONNX file that it was built from is not beside the engine" in told["notes"][0]
    told = evaluate_json(engine, signs, tmp_path, "--limit", "12", "--float", moved)
    assert told["float"]["name"] == "elsewhere.onnx"
    assert told["notes"] == []
    onnx.write_bytes(moved.read_bytes() + b"\x00")  # has the name, and is another file
    assert evaluate_json(engine, signs, tmp_path, "--limit", "12")["float"] is None


def test_an_engine_of_the_store_has_its_float_network_with_it(engine, signs, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(SIGN_NAMES))
    model = engine.with_suffix(".onnx")
    built = call(
        "build-engine", model, "--name", "signs", "--calibration", signs, "--mean", "127.5", "--std", "127.5",
        "--labels", labels, "--task", "classify", home=tmp_path,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    model.unlink()
    told = evaluate_json("signs", signs, tmp_path, "--limit", "24")
    assert told["engine"]["name"].startswith("signs@")
    assert told["engine"]["top1"]["value"] >= 0.9
    assert told["float"]["name"] == "demo.onnx"
    assert told["notes"] == []


def test_an_engine_without_manifest_and_labels(engine, signs, tmp_path):
    bare = Path(shutil.copy(engine, tmp_path / "bare.tflite"))
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(SIGN_NAMES))
    told = evaluate_json(bare, signs, tmp_path, "--labels", labels, "--float", engine.with_suffix(".onnx"))
    assert told["engine"]["top1"]["value"] >= 0.95
    assert told["float"]["top1"]["value"] >= 0.95
    assert "the engine was not built from" in told["notes"][0]
    numbers = tmp_path / "numbers"
    numbers.mkdir()
    for class_id, name in enumerate(SIGN_NAMES):
        (numbers / f"{class_id:04d}").symlink_to(signs / name)
    told = evaluate_json(bare, numbers, tmp_path, "--no-float")
    assert told["engine"]["top1"]["value"] >= 0.95
    assert told["notes"] == ["the engine has no labels: classes are called like the folders"]


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        (("--data", "0"), 2, "is a camera, and the truth about its pictures is not known"),
        (("--data", "nowhere"), 69, "there is no folder nowhere"),
        (("--float", "other.onnx", "--no-float"), 2, "contradict each other"),
        (("--float", "nowhere.onnx"), 65, "nowhere.onnx cannot be read"),
        (("--report", "nowhere/report.html"), 2, "there is no folder nowhere"),
        (("--model", "nowhere.tflite"), 65, "nowhere.tflite is not there"),
    ],
)
def test_mistakes_are_one_line(engine, signs, tmp_path, more, status, told):
    done = evaluate(engine, signs, tmp_path, *more)
    assert done.returncode == status
    (error,) = errors(done.stderr)
    assert told in error


def test_folders_that_are_no_class(engine, signs, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "stopp").symlink_to(signs / "stop")
    (data / "yield").symlink_to(signs / "yield")
    done = evaluate(engine, data, tmp_path)
    assert done.returncode == 65
    assert "1 of 2 folders are not classes of the network: 'stopp' (did you mean 'stop'?)" in errors(done.stderr)[0]


def test_no_readable_picture(engine, tmp_path):
    (tmp_path / "data" / "stop").mkdir(parents=True)
    (tmp_path / "data" / "stop" / "1.jpg").write_bytes(b"no picture")
    done = evaluate(engine, tmp_path / "data", tmp_path)
    assert done.returncode == 69
    assert "none of 1 pictures can be read" in errors(done.stderr)[0]
