"""The conversion, judged by ONNX Runtime and by the reference evaluator, which rounds each activation."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.tensorrt.fp16.conversion import to_fp16

FLOAT, HALF, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
RANDOM = np.random.default_rng(11)


def model_of(nodes, inputs, outputs, opset=17, **weights):
    """Return a model; inputs and outputs are (name, shape) or (name, shape, type)."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value(name, kind[0] if kind else FLOAT, shape) for name, shape, *kind in inputs],
        [value(name, kind[0] if kind else FLOAT, shape) for name, shape, *kind in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def onnx_runtime(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def reference(model, feeds):
    return ReferenceEvaluator(model).run(None, feeds)


def check(model, feeds, tolerance=2e-3, judges=(onnx_runtime, reference)):
    """Convert a model and hold the result, valid ONNX, to what the judges make of the model itself."""
    half = to_fp16(model)
    onnx.checker.check_model(half.model, full_check=True)
    for judge in judges:
        wanted, outputs = judge(model, feeds), judge(half.model, feeds)
        for expected, got in zip(wanted, outputs, strict=True):
            assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1.0, np.abs(expected).max()))
    return half


def kinds(half):
    """Return each node's operator with the types that it takes and gives."""
    graph = onnx.shape_inference.infer_shapes(half.model).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    types.update({tensor.name: tensor.data_type for tensor in graph.initializer})
    return [(n.op_type, [types[i] for i in n.input if i], [types[o] for o in n.output]) for n in half.model.graph.node]


def test_weights_and_activations_are_fp16_between_float32_ends():
    model = model_of(
        [helper.make_node("Conv", ["x", "w", "b"], ["c"]), helper.make_node("Relu", ["c"], ["y"])],
        [("x", [1, 3, 8, 8])],
        [("y", [1, 4, 6, 6])],
        w=RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32),
        b=RANDOM.normal(size=4).astype(np.float32),
    )
    before = model.SerializeToString()
    half = check(model, {"x": RANDOM.normal(size=(1, 3, 8, 8)).astype(np.float32)})
    assert kinds(half) == [
        ("Cast", [FLOAT], [HALF]),
        ("Conv", [HALF, HALF, HALF], [HALF]),
        ("Relu", [HALF], [HALF]),
        ("Cast", [HALF], [FLOAT]),
    ]
    assert [value.name for value in (*half.model.graph.input, *half.model.graph.output)] == ["x", "y"]
    assert len(half.model.graph.initializer) == 2  # no float32 weights are left
    assert (half.kept, half.warnings) == ((), ())
    assert model.SerializeToString() == before


def test_an_output_that_is_read_on_inside():
    model = model_of(
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Add", ["y", "k"], ["z"])],
        [("x", [4])],
        [("y", [4]), ("z", [4])],
        k=np.float32(1.5),
    )
    half = check(model, {"x": np.array([-1.0, 0.1, 2.0, 3.0], np.float32)})
    assert [kind for kind, _, _ in kinds(half)].count("Cast") == 3


def test_what_adds_up_stays_float32_with_one_cast_in_front_and_one_behind():
    model = model_of(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
            helper.make_node("Relu", ["p"], ["y"]),
        ],
        [("x", [1, 2, 65, 65])],
        [("y", [1, 2, 1, 1])],
    )
    half = check(model, {"x": RANDOM.uniform(0, 6, (1, 2, 65, 65)).astype(np.float32)})
    assert ("GlobalAveragePool", [FLOAT], [FLOAT]) in kinds(half)
    assert half.kept == ("GlobalAveragePool 'pool'",)


def test_why_what_adds_up_stays_float32():
    """The figure of docs/decisions/0040: 65 * 65 numbers between 0 and 6, added in FP16 one after the other."""
    numbers = RANDOM.uniform(0, 6, 65 * 65).astype(np.float16)
    total = np.float16(0)
    for number in numbers:
        total = np.float16(total + number)
    exact = float(numbers.astype(np.float64).sum())
    assert abs(float(total) - exact) > 0.01 * exact
    assert abs(float(np.float16(exact)) - exact) < 0.0005 * exact


def test_softmax_behind_float32_needs_no_cast():
    model = model_of(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
            helper.make_node("Softmax", ["m"], ["y"]),
        ],
        [("x", [1, 5, 4, 4])],
        [("y", [1, 5])],
    )
    half = check(model, {"x": RANDOM.normal(size=(1, 5, 4, 4)).astype(np.float32)})
    assert [kind for kind, _, _ in kinds(half)] == ["ReduceMean", "Softmax"]


def test_resize_keeps_its_scales_float32_and_shapes_stay_whole():
    model = model_of(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Resize", ["r", "", "scales"], ["big"], mode="linear"),
            helper.make_node("Resize", ["big", "", "", "sizes"], ["y"], mode="nearest"),
        ],
        [("x", [1, 2, 4, 4])],
        [("y", [1, 2, 12, 12])],
        scales=np.array([1, 1, 2.5, 2.5], np.float32),
        sizes=np.array([1, 2, 12, 12], np.int64),
    )
    half = check(model, {"x": RANDOM.normal(size=(1, 2, 4, 4)).astype(np.float32)})
    assert [takes for kind, takes, _ in kinds(half) if kind == "Resize"] == [[HALF, FLOAT], [HALF, INT64]]


def test_arithmetic_on_shapes_stays_float32():
    """4097 is not an FP16 number: a size that was computed with it would be 4096."""
    model = model_of(
        [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Cast", ["shape"], ["real"], to=FLOAT),
            helper.make_node("Mul", ["real", "one"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["whole"], to=INT64),
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Reshape", ["r", "whole"], ["y"]),
        ],
        [("x", [1, 4097])],
        [("y", [None, None])],
        one=np.float32(1.0),
    )
    half = check(model, {"x": np.ones((1, 4097), np.float32)})
    assert ("Mul", [FLOAT, FLOAT], [FLOAT]) in kinds(half)
    assert half.kept == ()


def test_range_has_no_fp16_and_is_cast_where_it_is_used():
    model = model_of(
        [helper.make_node("Range", ["from", "to", "step"], ["n"]), helper.make_node("Add", ["x", "n"], ["y"])],
        [("x", [4])],
        [("y", [4])],
        **{"from": np.float32(0), "to": np.float32(4), "step": np.float32(1)},
    )
    half = check(model, {"x": np.arange(4, dtype=np.float32)})
    assert ("Range", [FLOAT] * 3, [FLOAT]) in kinds(half)
    assert ("Add", [HALF, HALF], [HALF]) in kinds(half)


def test_non_maximum_suppression_takes_float32():
    model = model_of(
        [
            helper.make_node("Sigmoid", ["s"], ["scores"]),
            helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["y"]),
        ],
        [("boxes", [1, 6, 4]), ("s", [1, 1, 6])],
        [("y", [None, 3], INT64)],
        most=np.array([6], np.int64),
        iou=np.array([0.5], np.float32),
        least=np.array([0.1], np.float32),
    )
    corners = RANDOM.uniform(0, 1, (1, 6, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + 0.3], axis=2)
    half = check(model, {"boxes": boxes, "s": RANDOM.normal(size=(1, 1, 6)).astype(np.float32)})
    assert ("NonMaxSuppression", [FLOAT, FLOAT, INT64, FLOAT, FLOAT], [INT64]) in kinds(half)


def test_pictures_as_bytes_are_cast_to_fp16():
    model = model_of(
        [helper.make_node("Cast", ["x"], ["r"], to=FLOAT), helper.make_node("Mul", ["r", "k"], ["y"])],
        [("x", [4], TensorProto.UINT8)],
        [("y", [4])],
        k=np.float32(0.25),
    )
    half = check(model, {"x": np.array([0, 1, 128, 255], np.uint8)})
    assert kinds(half)[0] == ("Cast", [TensorProto.UINT8], [HALF])


def test_quantised_numbers_come_out_as_float32_and_go_on_as_fp16():
    model = model_of(
        [helper.make_node("DequantizeLinear", ["q", "scale"], ["d"]), helper.make_node("Add", ["x", "d"], ["y"])],
        [("x", [3])],
        [("y", [3])],
        q=np.array([-3, 0, 7], np.int8),
        scale=np.float32(0.5),
    )
    half = check(model, {"x": np.zeros(3, np.float32)}, judges=(onnx_runtime,))  # the other lacks the operator
    assert kinds(half)[-2:] == [("Add", [HALF, HALF], [HALF]), ("Cast", [HALF], [FLOAT])]


def test_constants_of_every_kind_become_weights():
    nodes = [
        helper.make_node("Constant", [], ["a"], value=numpy_helper.from_array(np.array([1.5, 2.5], np.float32))),
        helper.make_node("Constant", [], ["b"], value_float=0.5),
        helper.make_node("Constant", [], ["c"], value_floats=[3.0, 4.0]),
        helper.make_node("Constant", [], ["axes"], value_ints=[0]),
        helper.make_node("Constant", [], ["axis"], value_int=0),
        helper.make_node("Add", ["x", "a"], ["s"]),
        helper.make_node("Mul", ["s", "b"], ["t"]),
        helper.make_node("Sub", ["t", "c"], ["u"]),
        helper.make_node("Unsqueeze", ["u", "axes"], ["v"]),
        helper.make_node("Gather", ["v", "axis"], ["y"]),
    ]
    half = check(model_of(nodes, [("x", [2])], [("y", [2])]), {"x": np.array([1.0, -2.0], np.float32)})
    assert "Constant" not in [kind for kind, _, _ in kinds(half)]


def test_bounds_beyond_fp16_are_its_own():
    """torch writes clamp(min=0) as a Clip to the largest float32."""
    model = model_of(
        [helper.make_node("Clip", ["x", "low", "high"], ["y"])],
        [("x", [3])],
        [("y", [3])],
        low=np.float32(0),
        high=np.float32(np.finfo(np.float32).max),
    )
    half = check(model, {"x": np.array([-1.0, 2.0, 60000.0], np.float32)})
    assert ("Clip", [HALF] * 3, [HALF]) in kinds(half)
    assert half.warnings == ()


def test_weights_beyond_fp16_keep_their_node_float32_and_are_named():
    model = model_of(
        [
            helper.make_node("Mul", ["x", "huge"], ["m"], "scale_up"),
            helper.make_node("Div", ["m", "large"], ["d"], "scale_down"),
            helper.make_node("Relu", ["d"], ["y"]),
        ],
        [("x", [2])],
        [("y", [2])],
        huge=np.float32(1e6),
        large=np.float32(2e6),
    )
    half = check(model, {"x": np.array([1.0, 3.0], np.float32)})
    assert half.kept == ("Mul 'scale_up'", "Div 'scale_down'")
    assert half.warnings == (
        "'huge' holds numbers beyond 65504, FP16's largest: Mul 'scale_up' stays float32",
        "'large' holds numbers beyond 65504, FP16's largest: Div 'scale_down' stays float32",
    )
    assert kinds(half)[:2] == [("Mul", [FLOAT, FLOAT], [FLOAT]), ("Div", [FLOAT, FLOAT], [FLOAT])]


def test_a_weight_that_is_needed_in_both_precisions():
    model = model_of(
        [
            helper.make_node("Mul", ["x", "k"], ["m"]),
            helper.make_node("Resize", ["m", "", "k"], ["y"], mode="nearest"),
        ],
        [("x", [1, 1, 2, 4])],
        [("y", [1, 1, 4, 8])],
        k=np.array([1, 1, 2, 2], np.float32),
    )
    half = check(model, {"x": np.ones((1, 1, 2, 4), np.float32)})
    assert sorted(tensor.data_type for tensor in half.model.graph.initializer) == [FLOAT, HALF]


def test_zero_by_next_to_nothing_is_a_number():
    """x / (x + 1e-12) at 0: FP16 has no 1e-12, and 0 / 0 would be none."""
    model = model_of(
        [helper.make_node("Add", ["x", "tiny"], ["a"]), helper.make_node("Div", ["x", "a"], ["y"])],
        [("x", [2])],
        [("y", [2])],
        tiny=np.float32(1e-12),
    )
    check(model, {"x": np.array([0.0, 1.0], np.float32)})


BN = {"scale": (0.5, 2.0), "bias": (-1.0, 1.0), "mean": (-1.0, 1.0), "var": (1e-6, 2.0)}


def batch_norm(channels, bias=True):
    stats = {name: RANDOM.uniform(*ends, channels).astype(np.float32) for name, ends in BN.items()}
    kernel = RANDOM.normal(size=(channels, 3, 3, 3)).astype(np.float32)
    conv = helper.make_node("Conv", ["x", "w", "b"][: 3 if bias else 2], ["c"], "conv")
    norm = helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "var"], ["n"], "bn", epsilon=1e-3)
    weights = {**stats, "w": kernel, **({"b": np.ones(channels, np.float32)} if bias else {})}
    return conv, norm, weights


@pytest.mark.parametrize("bias", [True, False])
def test_batch_normalisation_goes_into_the_convolution(bias):
    conv, norm, weights = batch_norm(4, bias)
    model = model_of([conv, norm], [("x", [1, 3, 6, 6])], [("n", [1, 4, 4, 4])], **weights)
    half = check(model, {"x": RANDOM.normal(size=(1, 3, 6, 6)).astype(np.float32)}, tolerance=5e-3)
    assert [kind for kind, _, _ in kinds(half)] == ["Cast", "Conv", "Cast"]


def test_batch_normalisation_of_what_others_read_becomes_a_product_and_a_sum():
    conv, norm, weights = batch_norm(4)
    other = helper.make_node("Relu", ["c"], ["r"])
    outputs = [("n", [1, 4, 4, 4]), ("r", [1, 4, 4, 4])]
    model = model_of([conv, norm, other], [("x", [1, 3, 6, 6])], outputs, **weights)
    half = check(model, {"x": RANDOM.normal(size=(1, 3, 6, 6)).astype(np.float32)}, tolerance=5e-3)
    assert [kind for kind, _, _ in kinds(half)].count("Mul") == 1
    assert half.kept == ()


def test_batch_normalisation_with_computed_statistics_stays_as_it_is():
    _, norm, weights = batch_norm(3)
    weights = {name: weights[name] for name in ("scale", "bias", "mean")}
    model = model_of([norm], [("c", [1, 3, 4, 4]), ("var", [3])], [("n", [1, 3, 4, 4])], **weights)
    feeds = {"c": RANDOM.normal(size=(1, 3, 4, 4)).astype(np.float32), "var": np.ones(3, np.float32)}
    assert check(model, feeds).kept == ("BatchNormalization 'bn'",)


def test_weights_that_exporters_share_through_identity_are_found():
    node = helper.make_node
    nodes = [
        node("Identity", ["one"], ["gamma"]),
        node("Identity", ["one"], ["variance"]),
        node("Transpose", ["k"], ["kernel"], perm=[3, 2, 0, 1]),
        node("Conv", ["x", "kernel"], ["c"], "conv"),
        node("BatchNormalization", ["c", "gamma", "zero", "zero", "variance"], ["y"], "bn"),
    ]
    kernel = RANDOM.normal(size=(1, 1, 2, 4)).astype(np.float32)
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    model = model_of(nodes, [("x", [1, 2, 5, 5])], [("y", [1, 4, 5, 5])], k=kernel, one=ones, zero=zeros)
    half = check(model, {"x": RANDOM.normal(size=(1, 2, 5, 5)).astype(np.float32)})
    assert [kind for kind, _, _ in kinds(half)] == ["Cast", "Conv", "Cast"]
    assert half.kept == ()


def test_a_weight_in_another_shape_is_looked_at_as_any_other():
    """It would become infinite, and nothing, in a Cast that nobody sees."""
    node = helper.make_node
    nodes = [
        node("Unsqueeze", ["large", "axes"], ["factor"]),
        node("Mul", ["x", "factor"], ["m"], "louder"),
        node("Mul", ["m", "back"], ["q"]),
        node("Unsqueeze", ["tiny", "axes"], ["epsilon"]),
        node("Add", ["zero", "epsilon"], ["divisor"]),
        node("Div", ["zero", "divisor"], ["z"]),
    ]
    model = model_of(
        nodes,
        [("x", [1, 4]), ("zero", [1, 4])],
        [("q", [1, 4]), ("z", [1, 4])],
        large=np.float32([1e6]),
        back=np.float32([1e-3]),
        tiny=np.float32([1e-12]),
        axes=np.array([0]),
    )
    feeds = {"x": np.float32([[0.05, -0.025, 0.0, 0.06]]), "zero": np.zeros((1, 4), np.float32)}
    half = check(model, feeds)
    assert half.warnings == ("'factor' holds numbers beyond 65504, FP16's largest: Mul 'louder' stays float32",)


def test_a_weight_that_is_an_output_in_another_shape_stays_computed():
    nodes = [helper.make_node("Identity", ["k"], ["y"]), helper.make_node("Mul", ["x", "k"], ["z"])]
    model = model_of(nodes, [("x", [2])], [("y", [2]), ("z", [2])], k=np.float32([3, 70000]))
    check(model, {"x": np.float32([1, 2])})


def test_whole_numbers_stay_exact():
    """FP16 knows no 2049, and nothing beyond 65504."""
    node = helper.make_node
    nodes = [
        node("Cast", ["x"], ["f"], to=FLOAT),
        node("Mul", ["f", "two"], ["y"]),
        node("Cast", ["picture"], ["p"], to=FLOAT),
        node("Mul", ["p", "two"], ["z"]),
    ]
    model = model_of(
        nodes,
        [("x", [4], INT64), ("picture", [2], TensorProto.UINT8)],
        [("y", [4]), ("z", [2])],
        two=np.float32(2),
    )
    feeds = {"x": np.array([5, 2049, 4097, 70001]), "picture": np.array([255, 3], np.uint8)}
    half = to_fp16(model)
    for judge in (onnx_runtime, reference):
        np.testing.assert_array_equal(judge(half.model, feeds)[0], [10, 4098, 8194, 140002])
    assert half.kept == ("Cast 'f'", "Mul 'y'")


def test_a_picture_of_wide_whole_numbers_keeps_no_network_float32():
    node = helper.make_node
    nodes = [
        node("Cast", ["x"], ["f"], to=FLOAT),
        node("Sub", ["f", "mean"], ["s"]),
        node("Conv", ["s", "k"], ["c"]),
        node("Relu", ["c"], ["y"]),
    ]
    kernel = RANDOM.normal(size=(4, 3, 1, 1)).astype(np.float32)
    model = model_of(
        nodes, [("x", [1, 3, 5, 5], TensorProto.INT32)], [("y", [1, 4, 5, 5])], k=kernel, mean=np.float32(127.5)
    )
    half = check(model, {"x": RANDOM.integers(0, 256, (1, 3, 5, 5)).astype(np.int32)})
    assert half.kept == ("Cast 'f'", "Sub 's'")


def test_what_is_fp16_in_the_file_already_is_not_folded():
    node = helper.make_node
    nodes = [
        node("Cast", ["x"], ["h"], to=HALF),
        node("Conv", ["h", "k"], ["c"]),
        node("BatchNormalization", ["c", "one", "zero", "zero", "one"], ["d"]),
        node("Cast", ["d"], ["y"], to=FLOAT),
    ]
    kernel = RANDOM.normal(size=(4, 2, 1, 1)).astype(np.float16)
    ones, zeros = np.ones(4, np.float16), np.zeros(4, np.float16)
    model = model_of(nodes, [("x", [1, 2, 5, 5])], [("y", [1, 4, 5, 5])], k=kernel, one=ones, zero=zeros)
    check(model, {"x": RANDOM.normal(size=(1, 2, 5, 5)).astype(np.float32)})


def test_an_fp16_model_does_not_change():
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "g", [value("x", HALF, [2])], [value("y", HALF, [2])]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert [kind for kind, _, _ in kinds(to_fp16(model))] == ["Relu"]


def test_weights_among_the_inputs_as_old_files_list_them():
    model = model_of(
        [helper.make_node("Mul", ["x", "k"], ["y"])], [("x", [2]), ("k", [2])], [("y", [2])], k=np.ones(2, np.float32)
    )
    half = check(model, {"x": np.array([1.0, 2.0], np.float32)})
    assert [value.name for value in half.model.graph.input] == ["x"]


def test_names_that_are_taken():
    model = model_of(
        [helper.make_node("Relu", ["x"], ["x/half"]), helper.make_node("Add", ["x/half", "x"], ["y"])],
        [("x", [2])],
        [("y", [2])],
    )
    check(model, {"x": np.array([-1.0, 2.0], np.float32)})


def branching(name):
    branch = helper.make_graph([], "b", [], [helper.make_tensor_value_info("x", FLOAT, [1])])
    return helper.make_node("If", ["c"], ["y"], name, then_branch=branch, else_branch=branch)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (branching("choose"), "If 'choose' holds a subgraph, which the FP16 conversion does not enter"),
        (
            helper.make_node("Gelu2", ["x"], ["y"], "g", domain="vendor"),
            "operator vendor.Gelu2 'g' is none of ONNX's own",
        ),
        (helper.make_node("Frobnicate", ["x"], ["y"], "f"), "operator Frobnicate of node 'f' is none of ONNX's own"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(node, message):
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [value("x", FLOAT, [1]), value("c", 9, [])], [value("y", FLOAT, [1])])
    with pytest.raises(UnsupportedOperatorError, match=message):
        to_fp16(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


def test_a_model_whose_types_contradict_each_other():
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Add", ["x", "s"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value("x", FLOAT, [1])], [value("y", FLOAT, [1])])
    with pytest.raises(ModelError, match="types contradict each other"):
        to_fp16(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
