"""Files that bring their own scales: QDQ as ONNX Runtime and quantisation-aware training write it."""

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compile_model, run_int8
from support.compiling import compile_stages, delegated, float_error, step_error
from support.onnx_networks import Network, random_pictures, run_onnx

PICTURES = random_pictures(12, (32, 32))


def normalised(picture):
    return np.ascontiguousarray(((picture.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[None])


class Pictures(CalibrationDataReader):
    def __init__(self):
        self._pictures = iter(PICTURES[:8])

    def get_next(self):
        picture = next(self._pictures, None)
        return None if picture is None else {"x": normalised(picture)}


def bottleneck():
    network = Network((1, 3, 32, 32))

    def clip():
        network.node("Clip", [network.last, network.constant(np.float32(0)), network.constant(np.float32(6))])

    network.conv(3, 8, strides=[2, 2], pads=[0, 0, 1, 1])
    clip()
    value = network.last
    network.conv(8, 8, group=8, pads=[1, 1, 1, 1])
    clip()
    network.conv(8, 8, 1)
    network.node("Add", [value, network.last])
    network.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    network.node("GlobalAveragePool")
    network.node("Flatten")
    weights = network.constant(network.rng.normal(size=(5, 8)).astype(np.float32))
    network.node("Gemm", [network.last, weights, network.constant(np.ones(5, np.float32))], transB=1)
    return network


STYLES = {
    "per channel, int8": {"per_channel": True, "activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8},
    "per tensor, uint8": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8},
    "symmetric": {
        "activation_type": QuantType.QInt8,
        "weight_type": QuantType.QInt8,
        "extra_options": {"ActivationSymmetric": True},
    },
}


@pytest.fixture(params=STYLES)
def quantised(request, tmp_path):
    """Return a file quantised by ONNX Runtime."""
    source, target = tmp_path / "float.onnx", tmp_path / "qdq.onnx"
    bottleneck().save(source)
    quantize_static(str(source), str(target), Pictures(), quant_format=QuantFormat.QDQ, **STYLES[request.param])
    return target


def test_activations_keep_the_scales_of_the_file(quantised):
    stages = compile_stages(quantised, PICTURES[:8])
    kept = {tensor.name: tensor.scales for tensor in stages.quantised.graph.activations()}
    wanted = {
        node.inputs[0].name: node.output.scales for node in stages.graph.nodes if node.operator.builtin == "QUANTIZE"
    }
    shared = [name for name in wanted if name in kept]
    assert len(shared) >= 6
    assert all(kept[name].matches(wanted[name]) for name in shared)


def test_weights_keep_the_scales_of_the_file(tmp_path):
    network = Network()
    scales, weights = np.float32([0.02, 0.05]), np.int8([[[[7]], [[-100]], [[3]]], [[[1]], [[2]], [[50]]]])
    inputs = [network.constant(weights), network.constant(scales), network.constant(np.zeros(2, np.int8))]
    network.node("DequantizeLinear", inputs, axis=0)
    network.node("Conv", ["x", network.last])
    layer = compile_stages(network.save(tmp_path / "weights.onnx"), random_pictures(2)).quantised.graph.nodes[0]
    assert np.array_equal(layer.inputs[1].data.transpose(0, 3, 1, 2), weights)
    assert np.array_equal(layer.inputs[1].scales.scale, scales)


def test_the_int8_file_follows_the_quantised_one(quantised):
    stages = compile_stages(quantised, PICTURES[:8])
    assert max(step_error(stages, PICTURES[9]).values()) <= 1
    assert delegated(stages)
    compiled = compile_model(quantised, pictures=PICTURES[:8], preprocess=Preprocess())
    scale = compiled.outputs[0].quantization.scale
    for picture, (ours,) in zip(PICTURES, run_int8(compiled, PICTURES), strict=True):
        assert np.abs(ours - run_onnx(quantised, normalised(picture), exact=True)[0]).max() <= 6 * scale


def test_the_float_graph_rounds_as_the_file_says(quantised):
    stages = compile_stages(quantised, PICTURES[:8])
    assert float_error(stages, PICTURES[10], exact=True) < 0.01


def test_scales_out_of_all_proportion_are_refused(tmp_path):
    network = Network()
    network.conv(3, 4)
    for scale in (1e-30, 1.0):
        zero = network.constant(np.int8(0))
        factor = network.constant(np.float32(scale))
        network.node("QuantizeLinear", [network.last, factor, zero])
        network.node("DequantizeLinear", [network.last, factor, zero])
        network.node("Sigmoid" if scale < 1 else "Identity")
    network.node("Add", [network.last, network.constant(np.float32(1))])
    with pytest.raises(ModelError):
        compile_model(network.save(tmp_path / "absurd.onnx"), pictures=random_pictures(2), preprocess=Preprocess())
