"""A file in, MODEL.onnx and MODEL.yaml out: what kind it is, what is written, what is left alone."""

import os

import numpy as np
import onnxruntime
import pytest

from mnv2_engines.engine.sidecar import choose_preprocess, read_sidecar
from mnv2_engines.errors import BuildError, ContractError, ModelError
from mnv2_engines.networks import NetworkWeights, classifier_head, write_network
from mnv2_engines.weights import Expected, ImportRequest, import_weights
from mnv2_engines.weights.pytorch.state_dict import TORCHVISION
from support.keras_format import backbone, dense, functional, layer, picture, save_h5, save_keras
from support.networks import TINY, lively_weights, state_dict
from support.torch_format import save_legacy, save_safetensors, save_zip

FEATURES, KERNEL, BIAS = lively_weights()


def keras_model():
    pool = layer("GlobalAveragePooling2D", "pool")
    return functional("m", [picture(), *backbone(TINY, FEATURES), pool, dense("last", KERNEL.T, BIAS)])


def request(source, output, **options):
    return ImportRequest(source, output, Expected(size_hw=(32, 32)), **options)


SAVED = {
    "zip": lambda path: save_zip(path, state_dict()),
    "legacy": lambda path: save_legacy(path, state_dict()),
    "safetensors": lambda path: save_safetensors(path, {n: np.float32(a) for n, a in state_dict().items()}),
    "keras": lambda path: save_keras(path, keras_model()),
    "h5": lambda path: save_h5(path, keras_model()),
}


@pytest.mark.parametrize("kind", SAVED)
def test_every_kind_is_told_by_its_content_and_keeps_its_numbers(kind, tmp_path):
    source, output = SAVED[kind](tmp_path / "weights"), tmp_path / "model.onnx"
    found = import_weights(request(source, output))
    keras = kind in {"keras", "h5"}
    weights = NetworkWeights(
        FEATURES,
        classifier_head(KERNEL, BIAS),
        "trailing" if keras else "symmetric",
        1e-3 if keras else 1e-5,
    )
    assert output.read_bytes() == write_network(TINY, weights)
    assert choose_preprocess(read_sidecar(output)) == found.preprocess
    assert read_sidecar(output).task == "classify"
    assert (found.preprocess == TORCHVISION) == (not keras)
    image = np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)
    logits = onnxruntime.InferenceSession(output.read_bytes()).run(None, {"input": image})[0]
    assert logits.shape == (1, 5)
    assert np.ptp(logits) > 0.1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.yaml", "weights"]


def test_what_is_there_is_not_written_over_unless_told_to(tmp_path):
    source, output = SAVED["zip"](tmp_path / "weights.pth"), tmp_path / "model.onnx"
    sidecar = tmp_path / "model.yaml"
    sidecar.write_text("labels: mine.txt\n")
    with pytest.raises(ContractError, match=r"model\.yaml is there already.*--force"):
        import_weights(request(source, output))
    assert (sidecar.read_text(), output.exists()) == ("labels: mine.txt\n", False)
    import_weights(request(source, output, replace=True))
    assert "mean: [123.675, 116.28, 103.53]" in sidecar.read_text()


def test_a_refused_file_leaves_nothing(tmp_path):
    source = save_zip(tmp_path / "weights.pth", {"layer1.0.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelError, match=f"^{source}: no MobileNetV2 is there"):
        import_weights(request(source, tmp_path / "model.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


@pytest.mark.parametrize("succeeding", [0, 1])
def test_a_full_disk_leaves_what_was_there(succeeding, tmp_path, monkeypatch):
    source, output = SAVED["zip"](tmp_path / "weights.pth"), tmp_path / "model.onnx"
    output.write_bytes(b"old")
    (tmp_path / "model.yaml").write_text("task: classify\n")

    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > succeeding:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BuildError, match="No space left on device"):
        import_weights(request(source, output, replace=True))
    assert output.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.yaml", "weights.pth"]
    assert (tmp_path / "model.yaml").read_text() == "task: classify\n"


def test_names_out_of_a_file_cannot_steer_a_terminal(tmp_path):
    source = save_zip(tmp_path / "weights.pth", {"\x1b[2Jlayer\n": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelError, match=r"found \?\[2Jlayer\?, \.\.\."):
        import_weights(request(source, tmp_path / "model.onnx"))


@pytest.mark.parametrize("content", [b"", b"hello, this is a text", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not a weight file known here"):
        import_weights(request(path, tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match="cannot be read"):
        import_weights(request(tmp_path / "absent.pth", tmp_path / "model.onnx"))
