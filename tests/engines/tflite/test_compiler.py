"""The public door: names, order, layouts, determinism, both precisions."""

import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compare_layers, compile_model, read_model_interface, run_float, run_int8
from mnv2_engines.tflite.runner import Runner
from support.onnx_networks import Network, random_pictures, run_onnx

PICTURES = random_pictures(6)


def two_outputs():
    """Return a network with an output in the middle, a class map at the end, and their order turned round."""
    network = Network()
    network.conv(3, 8, pads=[1, 1, 1, 1])
    middle = network.node("Relu")
    network.conv(8, 5, 1)
    scores = network.node("Identity")
    classes = network.node("ArgMax", axis=1, keepdims=0)
    return network, [classes, scores, middle], {classes: TensorProto.INT64}


@pytest.fixture
def model(tmp_path):
    network, outputs, types = two_outputs()
    return network.save(tmp_path / "model.onnx", outputs=outputs, output_types=types)


def test_outputs_come_in_onnx_order_names_and_layout(model):
    compiled = compile_model(model, pictures=PICTURES, preprocess=Preprocess())
    interface = read_model_interface(model)
    assert [spec.name for spec in compiled.outputs] == [spec.name for spec in interface.outputs]
    assert [spec.shape for spec in compiled.outputs] == [(1, 16, 16), (1, 5, 16, 16), (1, 8, 16, 16)]
    assert [spec.layout for spec in compiled.outputs] == ["flat", "NCHW", "NCHW"]
    assert [spec.dtype for spec in compiled.outputs] == ["int32", "int8", "int8"]
    real = (PICTURES[0].astype(np.float32) - 127.5) / 127.5
    reference = run_onnx(model, np.ascontiguousarray(real.transpose(2, 0, 1)[None]))
    for expected, exact, rounded in zip(
        reference, *(next(run(compiled, PICTURES)) for run in (run_float, run_int8)), strict=True
    ):
        assert expected.shape == exact.shape == rounded.shape
        assert np.allclose(expected, exact, atol=1e-5)
    assert np.mean(reference[0] == next(run_int8(compiled, PICTURES))[0]) > 0.95


def test_the_file_tells_names_quantisation_and_a_signature(model):
    compiled = compile_model(model, pictures=PICTURES, preprocess=Preprocess())
    with Runner(compiled.tflite, threads=1) as runner:
        names = [name for name, _ in runner.run(np.zeros(compiled.input.shape, np.int8))]
        signatures = runner._open().get_signature_list()
    assert names == [spec.name for spec in compiled.outputs]
    assert list(signatures) == ["serving_default"]
    assert compiled.input.layout == "NHWC"
    assert compiled.input.dtype == "int8"
    assert compiled.outputs[1].quantization is not None


def test_the_same_bytes_from_two_builds_and_any_threads(model):
    builds = {
        compile_model(model, pictures=PICTURES, preprocess=Preprocess(), threads=threads).tflite
        for threads in (1, 1, 2)
    }
    assert len(builds) == 1


def test_fp32_needs_no_pictures(model):
    compiled = compile_model(model, pictures=[], preprocess=Preprocess(), precision="fp32")
    assert compiled.tflite == compiled.float_tflite
    assert compiled.input.dtype == "float32"
    assert compiled.preprocess == Preprocess()
    assert all(spec.quantization is None for spec in compiled.outputs)
    (exact,) = list(run_int8(compiled, PICTURES[:1]))
    assert np.array_equal(exact[1], next(run_float(compiled, PICTURES))[1])


def test_int8_refuses_to_guess(model):
    with pytest.raises(ModelError, match="calibration pictures"):
        compile_model(model, pictures=[], preprocess=Preprocess())


@pytest.mark.parametrize("picture", [np.zeros((8, 8, 3), np.uint8), np.zeros((16, 16, 3), np.float32)])
def test_pictures_must_fit(model, picture):
    with pytest.raises(ModelError, match=r"uint8 \[16, 16, 3\]"):
        compile_model(model, pictures=[picture], preprocess=Preprocess())


def test_progress_runs_through_its_phases(model):
    seen = []
    compile_model(
        model,
        pictures=PICTURES,
        preprocess=Preprocess(),
        progress=lambda phase, done, total: seen.append((phase, done, total)),
    )
    assert list(dict.fromkeys(phase for phase, _, _ in seen)) == ["read", "calibrate", "quantise", "write"]
    assert ("calibrate", len(PICTURES), len(PICTURES)) in seen
    assert all(done <= total for _, done, total in seen)


def test_layers_are_compared_on_equal_terms(model):
    compiled = compile_model(model, pictures=PICTURES, preprocess=Preprocess())
    losses = compare_layers(compiled, PICTURES)
    assert [loss.name for loss in losses] == [layer.name for layer in compiled.layers]
    assert all(loss.sqnr_db > 30 for loss in losses)
    assert losses[0].operator == "CONV_2D"
    assert losses[0].node == "Conv_0"


def test_equalised_channels_are_compared_as_the_float_graph_has_them(tmp_path):
    network = Network()
    network.conv(3, 8, 1)
    gains = network.constant(np.float32([0.02, 1, 8, 0.5, 0.1, 4, 2, 1]).reshape(1, 8, 1, 1))
    network.node("Mul", [network.last, gains])
    network.conv(8, 8)
    path = network.save(tmp_path / "model.onnx")
    compiled = compile_model(path, pictures=PICTURES, preprocess=Preprocess())
    assert any(layer.channel_factors for layer in compiled.layers)
    assert all(loss.sqnr_db > 30 for loss in compare_layers(compiled, PICTURES))


@pytest.mark.parametrize("module", ["mnv2_engines.tflite", "mnv2_engines.tflite.operators"])
def test_importing_the_compiler_imports_nothing_heavy(module):
    code = (
        f"import sys, {module}; print(*sorted({{'onnx', 'ai_edge_litert', 'flatbuffers', 'cv2'}} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_compiling_leaves_the_terminal_alone(tmp_path, capfd):
    network = Network()
    network.conv(3, 4)
    compile_model(network.save(tmp_path / "m.onnx"), pictures=random_pictures(2), preprocess=Preprocess())
    assert capfd.readouterr().err == ""
