"""Each operator by itself: equal to ONNX Runtime in float, to a simulation in int8, and inside one XNNPACK delegate."""

import numpy as np
import pytest
from onnx import TensorProto

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tflite import read_model_interface
from mnv2_engines.tflite.importer.folding import FOLDERS
from mnv2_engines.tflite.importer.lowering import LOWERINGS
from mnv2_engines.tflite.quantiser.calibration import normalised
from mnv2_engines.tflite.runner import Runner
from mnv2_engines.tflite.writer import write_tflite
from support.compiling import (
    PLAIN,
    compile_stages,
    delegated,
    end_to_end_steps,
    engine_bytes,
    float_error,
    step_error,
)
from support.onnx_networks import Network, random_pictures

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def base(n, channels=8):
    return n.conv(3, channels, pads=[1, 1, 1, 1])


@case
def depthwise_with_multiplier_and_stride(n):
    base(n)
    n.conv(8, 16, group=8, pads=[1, 1, 1, 1], strides=[2, 2])


@case
def dilated_depthwise(n):
    base(n)
    n.conv(8, 8, group=8, dilations=[2, 2], pads=[2, 2, 2, 2])


@case
def same_lower(n):
    n.conv(3, 8, auto_pad="SAME_LOWER", strides=[2, 2])


@case
def batch_normalization_alone(n):
    base(n)
    n.node("Relu")
    values = (n.rng.uniform(0.5, 2, 8), n.rng.normal(size=8), n.rng.normal(size=8), n.rng.uniform(0.5, 2, 8))
    n.node("BatchNormalization", [n.last, *(n.constant(v.astype(np.float32)) for v in values)])
    n.conv(8, 4)


@case
def clip_without_low(n):
    base(n)
    n.node("Clip", [n.last, "", n.constant(np.float32(0.3))])
    n.conv(8, 4)


@case
def clip_beside_another_reader(n):
    value = base(n)
    clipped = n.node("Clip", [value, n.constant(np.float32(-1)), n.constant(np.float32(0.5))])
    n.node("Add", [value, clipped])


@case
def clip_that_leaves_zero_out(n):
    base(n)
    n.node("Clip", [n.last, n.constant(np.float32(0.1)), n.constant(np.float32(0.5))])


@case
def clipped_part_of_a_wider_join(n):
    value = base(n)
    n.node("Concat", [value, n.node("Relu", [value]), n.node("Sigmoid", [value])], axis=1)
    n.conv(24, 4)


@case
def hard_swish(n):
    base(n)
    n.node("HardSwish")
    n.conv(8, 4)


@case
def hard_sigmoid(n):
    base(n)
    n.node("HardSigmoid", alpha=1 / 6, beta=0.5)


@case
def leaky_relu(n):
    base(n)
    n.node("LeakyRelu")
    n.conv(8, 8)
    n.node("LeakyRelu", alpha=0.3)
    n.node("GlobalAveragePool")
    n.node("Flatten")
    n.node("LeakyRelu", alpha=0.2)


@case
def leaky_relu_of_slopes_that_xnnpack_refuses(n):
    for slope in (0.001, -0.5, 2.0):
        n.conv(8 if n.nodes else 3, 8)
        n.node("LeakyRelu", alpha=slope)
    n.conv(8, 4)


@case
def leaky_relu_of_hardly_anything_but_negative_numbers(n):
    base(n)
    n.node("Relu")
    n.node("Sub", [n.constant(np.float32(0.1)), n.last])
    n.node("LeakyRelu")
    n.conv(8, 4)


@case
def leaky_relu_that_shares_a_wider_scale(n):
    value = base(n)
    wide = n.node("Mul", [n.conv(8, 8, 1, source=value), n.constant(np.float32(40))])
    n.node("Concat", [n.node("LeakyRelu", [value]), wide], axis=1)
    n.conv(16, 4)


@case
def leaky_relu_of_the_picture_itself_in_a_wide_join(n):
    leaked = n.node("LeakyRelu", ["x"])
    wide = n.node("Mul", [n.conv(3, 8, source="x", pads=[1, 1, 1, 1]), n.constant(np.float32(5))])
    n.node("Concat", [n.node("Identity", [leaked]), wide], axis=1)
    n.node("MaxPool", kernel_shape=[2, 2])
    n.conv(11, 4)


@case
def squeeze_and_excite(n):
    value = base(n)
    n.node("GlobalAveragePool")
    n.conv(8, 4, 1)
    n.node("Relu")
    n.conv(4, 8, 1)
    n.node("Mul", [value, n.node("Sigmoid")])
    n.conv(8, 4)


@case
def product_of_two_pictures(n):
    left = base(n)
    n.node("Mul", [left, n.conv(3, 8, source="x", pads=[1, 1, 1, 1])])
    n.conv(8, 4)


@case
def product_of_a_picture_with_itself(n):
    value = base(n)
    n.node("Mul", [value, value])
    n.conv(8, 4)


@case
def product_with_a_gate_per_pixel(n):
    value = base(n)
    n.conv(8, 1, 1)
    n.node("Mul", [n.node("Sigmoid"), value])


@case
def product_of_rows_and_columns(n):
    value = base(n)
    rows, columns = (n.node("ReduceMean", [value], axes=[axis], keepdims=1) for axis in (2, 3))
    n.node("Mul", [rows, columns])
    n.conv(8, 4)


@case
def product_with_a_gate_of_lower_rank_computed_by_dense_layers(n):
    value = base(n)
    n.node("ReduceMean", axes=[2, 3], keepdims=0)
    n.node("MatMul", [n.last, n.constant(n.rng.normal(size=(8, 8)).astype(np.float32))])
    n.node("Sigmoid")
    n.node("Mul", [n.node("Reshape", [n.last, n.constant(np.array([8, 1, 1]))]), value])
    n.conv(8, 4)


@case
def sum_with_a_constant_of_higher_rank(n):
    base(n)
    n.node("GlobalAveragePool")
    n.node("Flatten")
    n.node("Add", [n.constant(n.rng.normal(size=(1, 3, 8)).astype(np.float32)), n.last])


@case
def arithmetic_with_constants(n):
    base(n)
    n.node("Relu")
    n.node("Mul", [n.last, n.constant(n.rng.normal(size=(8, 1, 1)).astype(np.float32))])
    n.node("Sub", [n.constant(np.float32(1)), n.last])
    n.node("Add", [n.last, n.constant(n.rng.normal(size=(1, 8, 1, 1)).astype(np.float32))])
    n.node("Div", [n.last, n.constant(np.float32(2))])


@case
def concat_of_nine(n):
    value = base(n)
    n.node("Concat", [value] * 9, axis=-3)
    n.conv(72, 4, 1)


@case
def split_and_slice(n):
    base(n)
    parts = n.node("Split", outputs=2, axis=1)
    n.node("Add", parts)
    n.node("Slice", [n.last, *(n.constant(np.array(v)) for v in ([1], [-1], [2]))])
    n.conv(4, 4)


@case
def max_pool_of_negative_numbers_with_padding(n):
    base(n)
    n.node("Relu")
    n.node("Sub", [n.last, n.constant(np.float32(5))])
    n.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


@case
def average_pool_without_counting_the_padding(n):
    base(n)
    n.node("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1)
    n.conv(8, 4)


@case
def average_pool_over_all(n):
    base(n)
    n.node("AveragePool", kernel_shape=[16, 16])


@case
def reduce_mean_without_axes_kept(n):
    base(n)
    n.node("ReduceMean", axes=[-1, 2], keepdims=0)
    n.node("MatMul", [n.last, n.constant(n.rng.normal(size=(8, 5)).astype(np.float32))])


@case
def matmul_over_many_rows(n):
    base(n)
    n.node("Transpose", perm=[0, 2, 3, 1])
    n.node("MatMul", [n.last, n.constant(n.rng.normal(size=(8, 5)).astype(np.float32))])
    n.node("Add", [n.last, n.constant(np.ones(5, np.float32))])


@case
def squeeze_and_unsqueeze(n):
    base(n)
    n.node("GlobalAveragePool")
    n.node("Squeeze", [n.last, n.constant(np.array([2, 3]))])
    n.node("Unsqueeze", [n.last, n.constant(np.array([2, -1]))])
    n.conv(8, 4, 1)


@case
def channel_shuffle(n):
    base(n)
    n.node("Reshape", [n.last, n.constant(np.array([0, 2, 4, 16, -1]))])
    n.node("Transpose", perm=[0, 2, 1, 3, 4])
    n.node("Reshape", [n.last, n.constant(np.array([1, 8, 16, 16]))])
    n.conv(8, 4)


@case
def resize_bilinear_aligned_to_odd_size(n):
    base(n)
    target = n.constant(np.array([1, 8, 33, 21]))
    n.node("Resize", [n.last, "", "", target], mode="linear", coordinate_transformation_mode="align_corners")


@case
def resize_bilinear_from_one_pixel(n):
    value = base(n)
    n.node("GlobalAveragePool")
    n.node("Resize", [n.last, "", "", n.constant(np.array([1, 8, 16, 16]))], mode="linear")
    n.node("Concat", [n.last, value], axis=1)


@case
def resize_bilinear_asymmetric(n):
    base(n)
    scales = n.constant(np.array([1, 1, 2, 3], np.float32))
    n.node("Resize", [n.last, "", scales], mode="linear", coordinate_transformation_mode="asymmetric")


@case
def resize_nearest_by_six(n):
    base(n, 4)
    n.node("Resize", [n.last, "", n.constant(np.array([1, 1, 6, 2], np.float32))], mode="nearest")


@case
def softmax_in_the_middle(n):
    base(n)
    n.node("Softmax", axis=1)
    n.conv(8, 4)


@case
def argmax_of_a_picture(n):
    base(n)
    n.node("ArgMax", axis=1, keepdims=0)
    n.node("Cast", to=TensorProto.INT32)


@case
def identity_dropout_cast(n):
    base(n)
    n.node("Identity")
    n.node("Dropout")
    n.node("Cast", to=TensorProto.FLOAT)


@case
def gemm_with_factors(n):
    base(n)
    n.node("Flatten")
    weights = n.constant((n.rng.normal(size=(2048, 5)) / 40).astype(np.float32))
    n.node("Gemm", [n.last, weights, n.constant(np.float32([[1, 2, 3, 4, 5]]))], alpha=0.5, beta=2.0)


def build(name, path, **options):
    network = Network(**options)
    CASES[name](network)
    types = {network.last: TensorProto.INT32} if "argmax" in name else {}
    return network.save(path / "model.onnx", output_types=types)


def operators(graph):
    return [node.operator.builtin for node in graph.nodes]


@pytest.mark.parametrize("name", CASES)
def test_operator(tmp_path, name):
    path = build(name, tmp_path)
    pictures = random_pictures(9)
    stages = compile_stages(path, pictures[:8])
    assert float_error(stages, pictures[8]) < 1e-5
    errors = step_error(stages, pictures[8])
    assert max(errors.values()) <= 1, errors
    assert end_to_end_steps(stages, pictures[8]) <= 2
    assert delegated(stages)


def test_transpose_and_reshape_of_a_detector_head_move_nothing(tmp_path):
    network = Network()
    base(network, 12)
    network.node("Transpose", perm=[0, 2, 3, 1])
    network.node("Reshape", [network.last, network.constant(np.array([1, -1, 4]))])
    stages = compile_stages(network.save(tmp_path / "head.onnx"), random_pictures(2))
    assert operators(stages.quantised.graph) == ["CONV_2D", "RESHAPE"]


def test_flatten_in_front_of_a_dense_layer_permutes_its_weights(tmp_path):
    stages = compile_stages(build("gemm_with_factors", tmp_path), random_pictures(2))
    assert operators(stages.quantised.graph) == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_batch_normalization_behind_a_convolution_disappears(tmp_path):
    network = Network()
    network.conv(3, 8, bias=False)
    values = [network.constant(network.rng.uniform(0.5, 2, 8).astype(np.float32)) for _ in range(4)]
    network.node("BatchNormalization", [network.last, *values])
    network.node("Relu")
    path = network.save(tmp_path / "bn.onnx")
    stages = compile_stages(path, random_pictures(3)[:2])
    assert operators(stages.quantised.graph)[:1] == ["CONV_2D"]
    assert len(stages.graph.nodes) == 2  # with the TRANSPOSE to ONNX's layout
    assert float_error(stages, random_pictures(3)[2]) < 1e-5


def test_clamps_cost_no_operator_in_int8(tmp_path):
    network = Network()
    base(network)
    network.node("Clip", [network.last, network.constant(np.float32(-0.5)), network.constant(np.float32(1.25))])
    stages = compile_stages(network.save(tmp_path / "clip.onnx"), random_pictures(2))
    assert operators(stages.graph) == ["CONV_2D", "MAXIMUM", "MINIMUM", "TRANSPOSE"]
    assert operators(stages.quantised.graph) == ["CONV_2D", "TRANSPOSE"]


def test_softmax_at_the_end_is_computed_in_float(tmp_path):
    network = Network()
    base(network)
    network.node("GlobalAveragePool")
    network.node("Flatten")
    network.node("Softmax", axis=1)
    stages = compile_stages(network.save(tmp_path / "softmax.onnx"), random_pictures(2))
    assert operators(stages.quantised.graph)[-2:] == ["DEQUANTIZE", "SOFTMAX"]
    assert stages.quantised.graph.outputs[0].dtype == "float32"


def test_a_gate_of_any_layout_leaves_the_picture_where_it_is(tmp_path):
    stages = compile_stages(
        build("product_with_a_gate_of_lower_rank_computed_by_dense_layers", tmp_path), random_pictures(2)
    )
    found = operators(stages.quantised.graph)
    assert found.count("TRANSPOSE") == 1  # the output's


def test_a_small_factor_of_a_large_activation_is_not_rounded_away(tmp_path):
    network = Network()
    base(network)
    network.node("Mul", [network.last, network.constant(np.float32(1000))])
    network.node("Mul", [network.last, network.last])
    network.node("Mul", [network.last, network.constant(np.float32(1e-7))])
    pictures = random_pictures(5)
    stages = compile_stages(network.save(tmp_path / "small.onnx"), pictures[:4])
    with (
        Runner(write_tflite(stages.graph), threads=1) as reference,
        Runner(write_tflite(stages.quantised.graph), threads=1) as engine,
    ):
        (expected,) = dict(reference.run(normalised(pictures[4], PLAIN, stages.graph.inputs[0].shape))).values()
        (found,) = dict(engine.run_dequantised(engine_bytes(stages, pictures[4]))).values()
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.99
    assert delegated(stages)


def test_heads_that_are_joined_keep_their_own_scales(tmp_path):
    network = Network()
    value = base(network)
    small, large = network.conv(8, 8, 1, source=value), network.conv(8, 8, 1, source=value)
    wide = network.node("Mul", [large, network.constant(np.float32(1000))])
    network.node("Concat", [small, wide], axis=1)
    graph = compile_stages(network.save(tmp_path / "heads.onnx"), random_pictures(2)).quantised.graph
    scales = [node.inputs[0].scales.scale[0] for node in graph.nodes if node.operator.builtin == "DEQUANTIZE"]
    assert len(scales) == 2
    assert max(scales) > 100 * min(scales)


def opset_9(n):
    n.conv(3, 4, pads=[1, 1, 1, 1])
    n.node("Clip", min=0.0, max=6.0)
    n.node("Upsample", [n.last, n.constant(np.array([1, 1, 2, 2], np.float32))], mode="nearest")
    n.node("Slice", axes=[2], starts=[1], ends=[100])
    n.node("Pad", pads=[0, 0, 1, 0, 0, 0, 0, 1], value=0.0)
    n.node("Squeeze", [n.node("GlobalAveragePool")], axes=[2, 3])
    n.node("Softmax")


def opset_18(n):
    n.conv(3, 4, pads=[1, 1, 1, 1])
    n.node("Split", [n.last], outputs=2, axis=1, num_outputs=2)
    n.node("ReduceMean", [n.last, n.constant(np.array([2, 3]))], keepdims=0)
    n.node("Softmax")


@pytest.mark.parametrize(("opset", "grow"), [(9, opset_9), (18, opset_18), (21, opset_18), (23, opset_18)])
def test_operators_as_each_opset_writes_them(tmp_path, opset, grow):
    network = Network(opset=opset)
    grow(network)
    pictures = random_pictures(3)
    stages = compile_stages(network.save(tmp_path / "model.onnx"), pictures[:2])
    assert float_error(stages, pictures[2]) < 1e-5


def refused(network, path, error, *words):
    with pytest.raises(error) as caught:
        read_model_interface(network.save(path / "model.onnx"))
    assert all(word in str(caught.value) for word in words), caught.value


def test_an_unknown_operator_is_named_with_its_node(tmp_path):
    network = Network()
    base(network)
    network.node("Gelu")
    refused(network, tmp_path, UnsupportedOperatorError, "Gelu", "Gelu_1", "Conv")


def test_grouped_convolutions_are_refused(tmp_path):
    network = Network()
    base(network)
    network.conv(8, 8, group=2)
    refused(network, tmp_path, UnsupportedOperatorError, "Conv_1", "2 groups", "depthwise")


def test_a_product_of_activations_is_refused(tmp_path):
    network = Network()
    value = base(network)
    network.node("MatMul", [value, value])
    refused(network, tmp_path, UnsupportedOperatorError, "MatMul_1")


def test_cubic_resize_is_refused_not_approximated(tmp_path):
    network = Network()
    base(network)
    network.node("Resize", [network.last, "", network.constant(np.array([1, 1, 2, 2], np.float32))], mode="cubic")
    refused(network, tmp_path, UnsupportedOperatorError, "cubic")


def test_a_quantize_without_dequantize_is_no_float_graph(tmp_path):
    network = Network()
    base(network)
    network.node("DequantizeLinear", [network.last, network.constant(np.float32(0.1))])
    refused(network, tmp_path, UnsupportedOperatorError, "DequantizeLinear_1")


def test_shapes_that_contradict_attributes_name_the_node(tmp_path):
    network = Network()
    base(network)
    network.node("Transpose", perm=[0, 1, 2])
    refused(network, tmp_path, ModelError, "Transpose_1", "perm")


def test_every_operator_that_compiles_is_tried_here_or_at_random(root):
    folder = root / "tests" / "engines" / "tflite"
    sources = "".join(path.read_text() for path in folder.glob("test_*.py"))
    assert [op for op in LOWERINGS if f'"{op}"' not in sources and op != "Conv"] == []


def test_the_guide_lists_what_compiles(root):
    guide = (root / "docs" / "add-an-operator.md").read_text().split("## What compiles")[1]
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| ")][1:]
    assert {name.strip() for row in rows for name in row.split(",")} == set(LOWERINGS)
    folded = guide.split("depends on the picture:")[1].replace(".", "").replace("\n", " ")
    assert {name.strip() for name in folded.split(",")} == {*FOLDERS, "Size"}


def test_the_guide_shows_the_code_as_it_is(root):
    guide = (root / "docs" / "add-an-operator.md").read_text()
    source = (root / "engines" / "mnv2_engines" / "tflite" / "operators" / "activations.py").read_text()
    example = guide.split("```python\n")[1].split("```")[0]
    assert all(part.strip() in source for part in example.split("\n\n\n"))
