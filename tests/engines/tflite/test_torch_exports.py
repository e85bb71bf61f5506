"""What PyTorch's exporters write: TorchScript and dynamo, a free batch, BatchNorm left in, weights beside the file."""

import sys
import warnings

import numpy as np
import pytest

from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compile_model, read_model_interface, run_float, run_int8
from support.compiling import compile_stages, delegated, float_error, step_error
from support.onnx_networks import random_pictures

EXPORTS = ["torchscript", "torchscript_free_batch", "torchscript_unfolded", "dynamo", "dynamo_free_batch"]


@pytest.fixture(params=EXPORTS)
def exported(request, root):
    """Return one export of the network in tools/export_fixtures.py."""
    return root / "tests" / "engines" / "tflite" / "fixtures" / f"{request.param}.onnx"


def test_the_interface_is_the_same_whatever_wrote_the_file(exported):
    interface = read_model_interface(exported)
    assert (interface.input.name, interface.input.shape, interface.input.layout) == ("input", (1, 3, 32, 32), "NCHW")
    assert [(spec.name, spec.shape) for spec in interface.outputs] == [("logits", (1, 7))]


def test_an_export_compiles_to_the_same_few_operators(exported):
    pictures = random_pictures(9, (32, 32))
    stages = compile_stages(exported, pictures[:8])
    assert float_error(stages, pictures[8]) < 1e-5
    assert max(step_error(stages, pictures[8]).values()) <= 1
    assert delegated(stages)
    found = [node.operator.builtin for node in stages.quantised.graph.nodes]
    assert found.count("CONV_2D") == 8
    assert found.count("DEPTHWISE_CONV_2D") == 3
    assert set(found) == {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "PAD", "MEAN", "RESHAPE", "FULLY_CONNECTED"}


@pytest.mark.acceptance
@pytest.mark.timeout(600)
def test_the_demo_network_exported_afresh(tmp_path, root, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: tools/requirements-train.txt")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: tools/requirements-train.txt")
    monkeypatch.setattr(sys, "path", [*sys.path, str(root / "tools")])
    import demo_network
    import export_fixtures

    torch.manual_seed(0)
    network = demo_network.MobileNetV2(classes=12, width=0.35).eval()
    for parameter in network.parameters():  # an untrained network as initialised would answer next to nothing
        if parameter.dim() == 4:
            torch.nn.init.kaiming_normal_(parameter, mode="fan_in")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        paths = export_fixtures.export_all(network, torch.zeros(1, 3, 96, 96), tmp_path)
    assert [path.stem for path in paths] == sorted(EXPORTS)
    pictures = random_pictures(10, (96, 96))
    for path in paths:
        compiled = compile_model(path, pictures=pictures[:8], preprocess=Preprocess())
        exact = np.array([outputs[0] for outputs in run_float(compiled, pictures)])
        rounded = np.array([outputs[0] for outputs in run_int8(compiled, pictures)])
        assert 10 * np.log10((exact**2).sum() / ((exact - rounded) ** 2).sum()) > 20, path
