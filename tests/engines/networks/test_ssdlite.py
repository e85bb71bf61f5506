"""The detector: published figures, the layers of a trained one, and what it writes."""

from math import prod

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mnv2_engines.engine.anchors import anchor_boxes
from mnv2_engines.engine.task_facts import DetectionFacts, SsdAnchors
from mnv2_engines.errors import ContractError, ModelError
from mnv2_engines.inspection import inspect_model
from mnv2_engines.networks.counting import layer_macs, layer_parameters
from mnv2_engines.networks.dense_writer import random_weights, write_ssdlite
from mnv2_engines.networks.layer_writer import NetworkWeights
from mnv2_engines.networks.ssdlite import ANCHORS, EXTRA_LAYERS, SSDLite
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.detect import make_detect
from mnv2_engines.testing import check_task
from mnv2_engines.tflite import compile_model
from mnv2_engines.tflite.runner import Runner
from support.onnx_networks import run_onnx

COCO = SSDLite(classes=81)
"""The paper's: 80 classes and the background, 320x320."""


def test_table_6():
    layers = list(COCO.convolutions())
    assert round(layer_parameters(layers) / 1e6, 1) == 4.3
    assert round(layer_macs(layers) / 1e9, 1) == 0.8


def test_table_5():
    head = list(COCO.head_convolutions())
    assert round(layer_parameters(head) / 1e6, 1) == 2.1
    # 0.35 B is twice the multiplications: here each multiplication and each addition counts. By the rule of table 6,
    # which has the same head, 0.8 B in all would leave the features with less than they have.
    assert int(2 * layer_macs(head) / 1e7) / 100 == 0.35


def test_table_5_counts_the_plain_ssd_once():
    """SSD's row, 14.8 M and 1.25 B, follows from multiplications alone: full 3x3 convolutions on the same maps."""
    parameters = macs = 0
    for head, anchors in zip(COCO.heads, ANCHORS, strict=True):
        kernel = 9 * head.boxes[0].inputs * anchors * (4 + COCO.classes)
        parameters, macs = parameters + kernel, macs + kernel * head.places
    for (narrow, wide), (squeeze, _, widen) in zip(EXTRA_LAYERS, COCO.extras, strict=True):
        halving = 9 * narrow * wide
        parameters += prod(squeeze.kernel_shape) + halving
        macs += prod(squeeze.kernel_shape) * prod(squeeze.output_hw) + halving * prod(widen.output_hw)
    assert round(parameters / 1e6, 1) == 14.8
    assert int(macs / 1e7) / 100 == 1.25


@pytest.mark.parametrize(("size", "count"), [(300, 1917), (320, 2034)])
def test_it_has_an_output_for_every_anchor(size, count):
    network = SSDLite(size_hw=(size, size))
    assert network.anchors == count == len(anchor_boxes(DetectionFacts(ssd=SsdAnchors()), (size, size)))


def test_inspect_counts_the_written_file_alike(tmp_path):
    path = tmp_path / "coco.onnx"
    path.write_bytes(write_ssdlite(COCO, random_weights(COCO)))
    inspection = inspect_model(path)
    assert inspection.macs == layer_macs(COCO.convolutions()) == 788_830_144
    assert inspection.parameters == layer_parameters(COCO.convolutions(), batch_norm=True) == 4_337_013


def test_a_trained_one_has_these_layers(shared):
    inspection = inspect_model(shared / "models" / "ped_ssdlite_300.onnx")
    assert layer_macs(SSDLite(2, (300, 300)).convolutions()) == inspection.macs


def tensorflow_names():
    """Yield the names of a TensorFlow checkpoint's layers in the order of `SSDLite.convolutions`."""
    features = "FeatureExtractor/MobilenetV2"
    yield f"{features}/Conv/Conv2D"
    for block in range(17):
        at = f"{features}/expanded_conv{f'_{block}' if block else ''}"
        if block:
            yield f"{at}/expand/Conv2D"
        yield from (f"{at}/depthwise/depthwise", f"{at}/project/Conv2D")
    yield f"{features}/Conv_1/Conv2D"
    for level, (narrow, wide) in enumerate(EXTRA_LAYERS, 2):
        yield f"{features}/layer_19_1_Conv2d_{level}_1x1_{narrow}/Conv2D"
        yield f"{features}/layer_19_2_Conv2d_{level}_3x3_s2_{wide}_depthwise/depthwise"
        yield f"{features}/layer_19_2_Conv2d_{level}_3x3_s2_{wide}/Conv2D"
    for level in range(6):
        for branch in ("BoxEncodingPredictor", "ClassPredictor"):
            yield f"BoxPredictor_{level}/{branch}_depthwise/depthwise"
            yield f"BoxPredictor_{level}/{branch}/BiasAdd"


def trained_weights(path, network):
    """Return a trained detector's weights by our names; its BatchNorms are folded, or follow their convolution."""
    model = onnx.load(path)
    arrays = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    after = {node.input[0]: node for node in model.graph.node}
    features = {}
    for layer, name in zip(network.convolutions(), tensorflow_names(), strict=True):
        conv = nodes[name]
        features[f"{layer.name}.weight"] = arrays[conv.input[1]]
        bias = arrays[conv.input[2]] if len(conv.input) > 2 else np.zeros(layer.outputs, np.float32)
        if layer.norm is None:
            features[f"{layer.name}.bias"] = bias
            continue
        behind = after[conv.output[0]]
        while behind.op_type in {"Reshape", "Transpose"}:
            behind = after[behind.output[0]]
        parts = [np.ones(layer.outputs), bias, np.zeros(layer.outputs), np.ones(layer.outputs)]
        if behind.op_type == "BatchNormalization":
            assert not bias.any()
            epsilon = next(attribute.f for attribute in behind.attribute if attribute.name == "epsilon")
            parts = [arrays[part] for part in behind.input[1:]]
            parts[3] = parts[3] + epsilon
        for part, array in zip(("weight", "bias", "running_mean", "running_var"), parts, strict=True):
            features[f"{layer.norm}.{part}"] = np.asarray(array, np.float32)
    return NetworkWeights(features, padding="trailing", epsilon=1e-30)


def test_with_the_weights_of_a_trained_one_it_gives_the_same_boxes(shared, tmp_path):
    network = SSDLite(2, (300, 300))
    weights = trained_weights(shared / "models" / "ped_ssdlite_300.onnx", network)
    path = tmp_path / "people.onnx"
    path.write_bytes(write_ssdlite(network, weights))
    reference = np.load(shared / "models" / "ped_ref.npz")
    picture = (reference["bus_img"].astype(np.float32) - 127.5) / 127.5
    boxes, scores = run_onnx(path, np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
    assert np.abs(boxes - reference["bus_rb"].reshape(boxes.shape)).max() < 1e-3
    assert np.abs(scores - reference["bus_rc"]).max() < 1e-3


def test_it_compiles_and_is_read_without_further_ado(tmp_path):
    network = SSDLite(4, (96, 128), width=0.35)
    path = tmp_path / "net.onnx"
    path.write_bytes(write_ssdlite(network, random_weights(network)))
    pictures = list(np.random.default_rng(0).integers(0, 256, (4, 96, 128, 3), dtype=np.uint8))
    compiled = compile_model(path, pictures=pictures, preprocess=Preprocess())
    with Runner(compiled.tflite, threads=1) as runner:
        assert runner.operators().count("DELEGATE") == 1
    assert [(spec.name, spec.shape[1:]) for spec in compiled.outputs] == [
        ("boxes", (network.anchors, 4)),
        ("scores", (network.anchors, 4)),
    ]
    facts = DetectionFacts(ssd=SsdAnchors(), boxes_output="boxes", scores_output="scores")
    options = TaskOptions(outputs=compiled.outputs, input=compiled.input, detection=facts, score_threshold=0.9)
    check_task(make_detect(options), compiled.outputs)


def test_a_missing_weight_is_named():
    network = SSDLite(2, (96, 96), width=0.35)
    weights = random_weights(network)
    del weights.features["heads.3.scores.1.bias"]
    with pytest.raises(ModelError, match=r"heads\.3\.scores\.1\.bias is missing"):
        write_ssdlite(network, weights)


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"size_hw": (16, 300)}])
def test_what_is_no_detector_is_refused(wrong):
    with pytest.raises(ContractError, match="no detector"):
        SSDLite(**wrong)
