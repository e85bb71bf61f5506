"""The notebooks of docs/own-model.md, run by real PyTorch and real Keras, end in the same accuracy on this side.

TORCH_PYTHON (with torchvision) and KERAS_PYTHON (with tensorflow-cpu and Pillow) may name a Python that has them; else
they are installed into an environment that is thrown away.
"""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from support.command import call
from support.demo_weights import demo_state_dict
from support.frameworks import python_with
from support.guides import code_blocks
from support.rendered import render_classes
from support.torch_format import save_zip

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3600)]

SUPPORT = Path(__file__).resolve().parents[1] / "support"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signs") / "photos"
    render_classes(folder / "train", count=300, seed=5, blur=2.0)
    render_classes(folder / "test", count=240, seed=77, blur=5.0)
    return folder


@pytest.fixture
def notebook(root: Path, photos: Path, tmp_path: Path) -> Path:
    """Return a folder with the pictures, pretrained weights in both forms, and each python block of the guide."""
    (tmp_path / "photos").symlink_to(photos)
    weights = demo_state_dict(root / "engines" / "mnv2_engines" / "demo" / "demo.onnx")
    save_zip(tmp_path / "pretrained.pth", weights)
    np.savez(tmp_path / "pretrained.npz", **weights)
    for language, code in code_blocks((root / "docs" / "own-model.md").read_text(encoding="utf-8")):
        if language == "python":
            framework = re.match(r"# (\w+)", code)[1].lower()
            (tmp_path / f"guide_{framework}.py").write_text(code)
    return tmp_path


def run_notebook(folder: Path, *command) -> float:
    """Run it and return the accuracy that it prints last."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(re.findall(r"top-1 (\d\.\d+)", done.stdout)[-1])


def measure(folder: Path, *more) -> dict:
    """Build an engine of signs.onnx, as the guide does, and return what `evaluate` tells."""
    built = call(
        "build-engine", folder / "signs.onnx", "--name", "signs", "--calibration", folder / "photos" / "train",
        "--labels", folder / "labels.txt", *more, home=folder / "home", timeout_s=300,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    done = call(
        "evaluate", "--model", "signs", "--data", folder / "photos" / "test", "--json",
        home=folder / "home", timeout_s=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_equal(told: dict, notebook: float) -> None:
    assert 0.8 <= notebook < 1.0
    assert told["float"]["top1"]["value"] == pytest.approx(notebook, abs=0.02)
    assert told["engine"]["top1"]["value"] == pytest.approx(notebook, abs=0.03)


def test_pytorch(notebook: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    needed = ["torch", "torchvision", "numpy"]
    python = python_with("TORCH_PYTHON", needed, needed, tmp_path_factory.mktemp("torch-venv"))
    script = SUPPORT / "notebook_torch.py"
    said = run_notebook(notebook, python, script, root / "tools", "pretrained.pth", "guide_pytorch.py")
    imported = call(
        "import-weights", notebook / "signs.pth", "-o", notebook / "signs.onnx", "--resolution", "96", home=notebook
    )
    assert imported.returncode == 0, imported.stderr
    told = measure(notebook, "--mean", "127.5", "--std", "127.5", "--resize", "center-crop")
    assert_equal(told, said)


def test_keras(notebook: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    packages = ["tensorflow-cpu", "pillow"]
    python = python_with("KERAS_PYTHON", ["tensorflow", "PIL"], packages, tmp_path_factory.mktemp("keras-venv"))
    said = run_notebook(notebook, python, SUPPORT / "notebook_keras.py", "pretrained.npz", "guide_keras.py")
    imported = call("import-weights", notebook / "signs.keras", "-o", notebook / "signs.onnx", home=notebook)
    assert imported.returncode == 0, imported.stderr
    assert_equal(measure(notebook), said)
