"""docs/own-model.md works: its commands are run in its order, from a state dict to the accuracy of the notebook.

The notebook is represented by the state dict that it would have saved (the demo network's weights, by torchvision's
names), and by ONNX Runtime on pictures that are prepared as the guide's notebook prepares them. Real notebooks are
run by tests/walks/test_notebooks.py, an acceptance test.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from support.command import environment
from support.demo_weights import demo_state_dict
from support.guides import code_blocks
from support.rendered import SIGNS, render_classes
from support.torch_format import save_zip


@pytest.fixture(scope="module")
def guide(root: Path) -> str:
    return (root / "docs" / "own-model.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def done(guide, root, tmp_path_factory):
    """Run every command of the guide in a folder that holds what the notebook leaves; return folder and outputs."""
    folder = tmp_path_factory.mktemp("own")
    save_zip(folder / "signs.pth", demo_state_dict(root / "engines" / "mnv2_engines" / "demo" / "demo.onnx"))
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in SIGNS))
    render_classes(folder / "photos" / "train", count=120, seed=5)
    render_classes(folder / "photos" / "test", count=240, seed=77, blur=5.0)
    outputs = {}
    for language, code in code_blocks(guide):
        if language == "yaml":
            name = re.match(r"# (\S+)\n", code)[1]
            (folder / name).write_text(code)
        elif language == "bash":
            outputs[code.split()[1], len(outputs)] = run(code, folder)
    return folder, [(command, output) for (command, _), output in outputs.items()]


def run(code: str, folder: Path) -> str:
    """Run a block as a user would who has the environment active."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-ec", code],
        cwd=folder,
        env=environment(folder / "home", PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_guide_goes_from_weights_to_a_run(done):
    _, outputs = done
    assert [command for command, _ in outputs] == ["import-weights", "build-engine", "evaluate", "evaluate", "run"]


def test_the_device_is_as_accurate_as_the_notebook(done):
    folder, _ = done
    told = json.loads((folder / "accuracy.json").read_text())
    notebook = notebook_accuracy(folder)
    assert 0.9 <= notebook < 1.0  # at 1 anything could be wrong on both sides
    assert told["engine"]["top1"]["value"] == pytest.approx(notebook, abs=0.03)
    assert told["float"]["top1"]["value"] == pytest.approx(notebook, abs=0.03)
    assert told["float"]["agreement"]["value"] >= 0.95
    assert told["notes"] == []


def evaluate(folder: Path, *more: str) -> dict:
    return json.loads(run(f"mnv2-edge evaluate --model signs --data photos/test --json {' '.join(more)}", folder))


def test_labels_in_another_order_are_told(done):
    folder, _ = done
    (folder / "other.txt").write_text("".join(f"{name}\n" for name in (*SIGNS[1:], SIGNS[0])))
    told = evaluate(folder, "--labels", "other.txt")
    assert told["engine"]["top1"]["value"] < 0.1
    assert told["float"]["top1"]["value"] < 0.1
    assert re.match(r"with the classes named in another order top-1 would be 9\d\.\d %", told["notes"][0])


def test_a_wrong_colour_order_shows_in_both_networks(done):
    folder, _ = done
    told = evaluate(folder, "--color", "BGR")
    assert told["engine"]["top1"]["value"] < 0.5
    assert told["float"]["top1"]["value"] < 0.5
    assert not any("calibrate" in note or "another order" in note for note in told["notes"])


def test_a_run_says_what_evaluate_counted(done):
    folder, outputs = done
    told = json.loads((folder / "accuracy.json").read_text())
    (stop,) = (one for one in told["classes"] if one["label"] == "stop")
    records = [json.loads(line) for line in outputs[-1][1].splitlines()]
    labels = [record["predictions"][0]["label"] for record in records if record.get("predictions")]
    assert len(labels) == 20
    assert labels.count("stop") == stop["right"] > 10


def test_the_report_is_there(done):
    folder, _ = done
    assert (folder / "signs.html").read_text().startswith("<!doctype html>")


def test_every_flag_that_the_guide_names_exists(guide):
    for command in ("evaluate", "build-engine", "import-weights", "run"):
        usage = subprocess.run(
            [sys.executable, "-m", "mnv2_edge", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for flag in re.findall(rf"`(?:mnv2-edge )?{command}[^`]*?(--[a-z-]+)", guide):
            assert flag in usage, (command, flag)


def notebook_accuracy(folder: Path, mean: float = 127.5, std: float = 127.5, crop: float = 1.0) -> float:
    """Return what the guide's notebook would print: shorter side to 96, centre, normalise, float network."""
    session = onnxruntime.InferenceSession((folder / "signs.onnx").read_bytes())
    (name,) = (tensor.name for tensor in session.get_inputs())
    right = total = 0
    for truth, label in enumerate(SIGNS):
        for path in (folder / "photos" / "test" / label).iterdir():
            picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            height, width = picture.shape[:2]
            scale = 96 / crop / min(height, width)
            small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
            top, left = (small.shape[0] - 96) // 2, (small.shape[1] - 96) // 2
            image = (small[top : top + 96, left : left + 96].astype(np.float32) - mean) / std
            logits = session.run(None, {name: np.ascontiguousarray(image.transpose(2, 0, 1)[np.newaxis])})[0]
            right += int(logits.argmax()) == truth
            total += 1
    return right / total
