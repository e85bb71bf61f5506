"""Real and small files, inspected: every figure against one that was found another way."""

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnv2_engines.errors import EngineError, ModelError
from mnv2_engines.inspection import find_family_member, inspect_model


def save(path, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in dict(constants).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.fixture
def small(tmp_path):
    """A convolution, a dense layer and a bias of its own, with a free batch."""
    return save(
        tmp_path / "small.onnx",
        [
            helper.make_node("Conv", ["x", "k", "b"], ["c"], name="conv", strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("ConvTranspose", ["c", "u"], ["t"], name="up", strides=[2, 2]),
            helper.make_node("GlobalAveragePool", ["t"], ["p"], name="pool"),
            helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
            helper.make_node("MatMul", ["f", "m"], ["d"], name="dense"),
            helper.make_node("Add", ["d", "a"], ["e"], name="bias"),
            helper.make_node("Mul", ["e", "two"], ["y"], name="double"),
        ],
        {"x": ["batch", 3, 8, 8]},
        {"y": ["batch", 5]},
        {
            "k": zeros(4, 3, 3, 3),
            "b": zeros(4),
            "u": zeros(4, 6, 2, 2),
            "m": zeros(6, 5),
            "a": zeros(5),
            "two": np.float32([2]),
        },
    )


def test_work_and_parameters_by_hand(small):
    inspection = inspect_model(small)
    macs = {operation.name: operation.macs for operation in inspection.operations}
    assert macs == {
        "conv": 4 * 4 * 4 * 27,
        "up": 4 * 4 * 4 * (6 * 2 * 2),
        "pool": 0,
        "flatten": 0,
        "dense": 6 * 5,
        "bias": 0,
        "double": 0,
    }
    parameters = {operation.name: operation.parameters for operation in inspection.operations if operation.parameters}
    assert parameters == {"conv": 108 + 4, "up": 96, "dense": 30, "bias": 5}
    assert inspection.weight_bytes == 4 * (108 + 4 + 96 + 30 + 5 + 1)
    assert inspection.inputs[0].shape == (1, 3, 8, 8)
    assert inspection.values["t"].shape == (1, 6, 8, 8)
    assert (inspection.peak.byte_count, inspection.peak.operation) == (4 * (64 + 384), "up")
    assert find_family_member(inspection) is None


def test_shared_weights_are_counted_once(tmp_path):
    path = save(
        tmp_path / "shared.onnx",
        [helper.make_node("Gemm", ["x", "k"], ["a"]), helper.make_node("Gemm", ["a", "k"], ["y"])],
        {"x": [1, 4]},
        {"y": [1, 4]},
        {"k": zeros(4, 4)},
    )
    inspection = inspect_model(path)
    assert (inspection.parameters, inspection.weight_bytes, inspection.macs) == (16, 64, 32)


def test_a_free_size_leaves_figures_unknown_instead_of_wrong(tmp_path):
    path = save(
        tmp_path / "free.onnx",
        [helper.make_node("Conv", ["x", "k"], ["y"])],
        {"x": [1, 3, "height", "width"]},
        {"y": None},
        {"k": zeros(4, 3, 1, 1)},
    )
    inspection = inspect_model(path)
    assert inspection.macs is None
    assert inspection.peak is None
    assert inspection.parameters == 12
    assert inspection.outputs[0].shape == (1, 4, None, None)


def test_kernels_behind_a_dequantize_are_parameters_too(tmp_path):
    path = save(
        tmp_path / "qdq.onnx",
        [
            helper.make_node("DequantizeLinear", ["q", "s"], ["k"]),
            helper.make_node("Conv", ["x", "k"], ["y"]),
        ],
        {"x": [1, 3, 2, 2]},
        {"y": [1, 4, 2, 2]},
        {"q": np.zeros((4, 3, 1, 1), np.int8), "s": np.float32(1.0)},
    )
    inspection = inspect_model(path)
    assert (inspection.parameters, inspection.weight_bytes) == (12, 12 + 4)


def test_the_official_network_is_counted_alike_in_both_formats(shared):
    for name, folded, peak in (
        ("mobilenet_v2_1.0_224.onnx", 3_489_097, 4 * 112 * 112 * (96 + 24)),
        ("mobilenet_v2_1.0_224_quant.tflite", 3_489_097, 112 * 112 * (96 + 24)),
    ):
        inspection = inspect_model(shared / "models" / name)
        assert inspection.macs == 300_775_552
        assert inspection.parameters == folded
        assert inspection.peak.byte_count == peak  # a depthwise of stride 2: 96 channels in, 96 of a quarter out
        family = find_family_member(inspection)
        assert (family.network.width, family.network.size_hw, family.network.classes) == (1.0, (224, 224), 1001)
        assert (family.macs_m, family.parameters_m) == (family.published.macs_m, family.published.parameters_m)
        assert (family.published.top1, family.published.pixel1_ms) == (71.8, 73.8)


def test_the_papers_segmentation_network_has_its_published_work(shared):
    """Table 7: 2.75 B multiply-adds and 2.11 M parameters, output stride 16, without ASPP."""
    inspection = inspect_model(shared / "models" / "deeplabv3_mnv2_pascal_quant.tflite")
    assert inspection.macs / 1e9 == pytest.approx(2.75, rel=0.01)
    assert inspection.parameters / 1e6 == pytest.approx(2.11, rel=0.01)


def test_a_classifier_with_other_classes_has_its_published_row_beside_it(root):
    family = find_family_member(inspect_model(root / "engines/mnv2_engines/demo/demo.onnx"))
    assert (family.network.width, family.network.size_hw, family.network.classes) == (0.35, (96, 96), 12)
    assert family.plain_head
    assert family.published.macs_m == 11


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(EngineError, match="cannot be read"):
        inspect_model(tmp_path / "absent.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    with pytest.raises(ModelError, match="not an ONNX"):
        inspect_model(text)


def test_damaged_onnx_files_are_inspected_or_refused(small, tmp_path):
    raw = small.read_bytes()
    path = tmp_path / "damaged.onnx"
    refused = 0
    for seed in range(300):
        dice = random.Random(seed)
        damaged = bytearray(raw)
        for _ in range(3):
            damaged[dice.randrange(len(raw))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            find_family_member(inspect_model(path))
        except ModelError:
            refused += 1
    assert 0 < refused < 300


def test_nodes_without_what_they_need_leave_figures_unknown(tmp_path):
    path = save(
        tmp_path / "lacking.onnx",
        [helper.make_node("Conv", ["x"], ["y"])],
        {"x": [1, 3, 2, 2]},
        {"y": [1, 4]},
    )
    inspection = inspect_model(path)
    assert inspection.macs is None
    assert inspection.operations[0].kernel is None
    save(path, [helper.make_node("MatMul", [], ["y"])], {"x": [1, 4]}, {"y": [1, 4]})
    with pytest.raises(ModelError, match="ONNX cannot infer its shapes"):
        inspect_model(path)


@pytest.mark.parametrize("cut", [8, 100, 0.3, 0.9])
def test_a_cut_tflite_file_is_refused(root, tmp_path, cut):
    raw = (root / "engines/mnv2_engines/demo/demo.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(raw[: cut if cut > 1 else int(len(raw) * cut)])
    with pytest.raises(EngineError, match="is damaged"):
        inspect_model(path)


def test_damaged_tflite_files_are_inspected_or_refused(root, tmp_path):
    raw = (root / "engines/mnv2_engines/demo/demo.tflite").read_bytes()
    path = tmp_path / "damaged.tflite"
    refused = 0
    for seed in range(60):
        dice = random.Random(seed)
        damaged = bytearray(raw)
        for _ in range(20):
            damaged[dice.randrange(8, len(raw))] = dice.randrange(256)
        for _ in range(3):  # the tables are at the end of what this project's compiler writes
            damaged[dice.randrange(len(raw) - 30_000, len(raw))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            inspect_model(path)
        except EngineError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("raw", [b"", b"junk" * 30])
def test_a_file_is_missed_to_be_what_its_name_says(tmp_path, raw):
    path = tmp_path / "net.tflite"
    path.write_bytes(raw)
    with pytest.raises(ModelError, match="is not a TFLite file"):
        inspect_model(path)
