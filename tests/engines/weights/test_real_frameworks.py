"""What real PyTorch and real Keras save, imported without either, computes what they compute.

TORCH_PYTHON and KERAS_PYTHON may name a Python that has them (for torch, with safetensors); else they are installed
into an environment that is thrown away.
"""

import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.weights import Expected, ImportRequest, import_weights
from support.frameworks import python_with

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]

SUPPORT = Path(__file__).resolve().parents[2] / "support"
TOLERANCE = 1e-4


def save_models(python, script, *args):
    done = subprocess.run([python, SUPPORT / script, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def torch_files(tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("torch")
    needed = ["torch", "safetensors", "numpy"]
    python = python_with("TORCH_PYTHON", needed, needed, tmp_path_factory.mktemp("torch-venv"))
    save_models(python, "save_torch_models.py", root / "tools", folder)
    return folder


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    python = python_with("KERAS_PYTHON", ["keras", "jax"], ["keras", "jax"], tmp_path_factory.mktemp("keras-venv"))
    save_models(python, "save_keras_models.py", folder)
    return folder


def run(model, image):
    return onnxruntime.InferenceSession(model.read_bytes()).run(None, {"input": image})[0]


@pytest.mark.parametrize("width", [0.35, 0.5, 1.0, 1.4])
@pytest.mark.parametrize("kind", ["-zip.pth", "-legacy.pth", ".safetensors", "-checkpoint.pth", "-parameters.pth"])
def test_pytorchs_files_give_pytorchs_logits(width, kind, torch_files, tmp_path):
    output = tmp_path / "model.onnx"
    truth = np.load(torch_files / f"{width}.npz")
    size_hw = truth["image"].shape[2:]
    found = import_weights(ImportRequest(torch_files / f"{width}{kind}", output, Expected(size_hw=size_hw)))
    assert (found.network.width, found.network.classes) == (width, truth["logits"].shape[1])
    assert np.ptp(truth["logits"]) > 0.1
    np.testing.assert_allclose(run(output, truth["image"]), truth["logits"], atol=TOLERANCE, rtol=0)


def test_a_whole_module_is_refused(torch_files, tmp_path):
    with pytest.raises(ModelError, match=r"names 'demo_network\.MobileNetV2', and tensors are all that is taken"):
        import_weights(ImportRequest(torch_files / "0.35-module.pth", tmp_path / "model.onnx", Expected()))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", ["transfer_learning", "flattened", "inline", "largest", "with_top"])
def test_kerass_files_give_kerass_scores(name, suffix, keras_files, tmp_path):
    output = tmp_path / "model.onnx"
    found = import_weights(ImportRequest(keras_files / f"{name}.{suffix}", output, Expected()))
    truth = np.load(keras_files / f"{name}.npz")
    mean, std = np.float32([found.preprocess.mean, found.preprocess.std])
    image = ((truth["pixels"] - mean) / std).transpose(0, 3, 1, 2)
    assert np.ptp(truth["scores"]) > 0.01
    np.testing.assert_allclose(run(output, image), truth["scores"], atol=TOLERANCE, rtol=0)
