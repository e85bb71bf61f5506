"""Shape arithmetic at build time gives what ONNX's own reference gives."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from mnv2_engines.errors import ModelError
from mnv2_engines.tflite.importer.folding import FOLDERS, Constants, fold
from mnv2_engines.tflite.importer.onnx_model import OnnxNode

I = np.int64  # noqa: E741 - shapes are int64 in ONNX
DATA = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 7

CASES = [
    ("Abs", [DATA], {}),
    ("Add", [DATA, np.float32([1, 2, 3, 4])], {}),
    ("Cast", [DATA], {"to": TensorProto.INT64}),
    ("Ceil", [DATA / 3], {}),
    ("Concat", [I([1, 2]), I([3])], {"axis": 0}),
    ("Constant", [], {"value_ints": [3, 4]}),
    ("ConstantOfShape", [I([2, 3])], {}),
    ("DequantizeLinear", [np.int8([[1, -2], [3, 4]]), np.float32([0.5, 2]), np.int8([0, 1])], {"axis": 0}),
    ("Div", [I([7, -7, 9]), I([2, 2, -4])], {}),
    ("Div", [DATA, np.float32(3)], {}),
    ("Equal", [I([1, 2]), I([1, 3])], {}),
    ("Exp", [DATA / 10], {}),
    ("Expand", [I([[1], [2]]), I([2, 3])], {}),
    ("Floor", [DATA / 3], {}),
    ("Gather", [DATA, I([[0, -1]])], {"axis": 1}),
    ("Greater", [I([1, 4]), I([2, 3])], {}),
    ("Identity", [DATA], {}),
    ("Less", [I([1, 4]), I([2, 3])], {}),
    ("Max", [DATA, np.float32(2)], {}),
    ("Min", [DATA, np.float32(2)], {}),
    ("Mod", [I([7, -7]), I([3, 3])], {}),
    ("Mul", [DATA, DATA], {}),
    ("Neg", [DATA], {}),
    ("Not", [np.array([True, False])], {}),
    ("Pow", [np.abs(DATA), np.float32(2)], {}),
    ("QuantizeLinear", [DATA, np.float32(0.5), np.int8(3)], {}),
    ("Range", [I(2), I(11), I(3)], {}),
    ("ReduceMax", [DATA], {"axes": [1], "keepdims": 0}),
    ("ReduceMin", [DATA], {"axes": [0, 2]}),
    ("ReduceProd", [DATA], {}),
    ("ReduceSum", [DATA, I([-1])], {"keepdims": 1}),
    ("Reshape", [DATA, I([0, -1])], {}),
    ("Round", [np.float32([0.5, 1.5, -2.5])], {}),
    ("Shape", [DATA], {"start": 1}),
    ("Slice", [DATA, I([2, 0]), I([-9, 3]), I([1, 2]), I([-1, 2])], {}),
    ("Split", [DATA, I([1, 2])], {"axis": 1}),
    ("Sqrt", [np.abs(DATA)], {}),
    ("Squeeze", [DATA[:, :1], I([1])], {}),
    ("Sub", [DATA, DATA / 2], {}),
    ("Transpose", [DATA], {"perm": [2, 0, 1]}),
    ("Unsqueeze", [DATA, I([0, -1])], {}),
    ("Where", [DATA > 0, DATA, -DATA], {}),
]


def node_of(op, count, outputs, attributes):
    attributes = {key: tuple(value) if isinstance(value, list) else value for key, value in attributes.items()}
    return OnnxNode("n", op, tuple(f"i{k}" for k in range(count)), tuple(f"o{k}" for k in range(outputs)), attributes)


@pytest.mark.parametrize(("op", "inputs", "attributes"), CASES, ids=[op for op, _, _ in CASES])
def test_folding(op, inputs, attributes):
    outputs = 2 if op == "Split" else 1
    node = helper.make_node(op, [f"i{k}" for k in range(len(inputs))], [f"o{k}" for k in range(outputs)], **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output],
        [numpy_helper.from_array(np.asarray(array), f"i{k}") for k, array in enumerate(inputs)],
    )
    opset = 21 if "Linear" in op else 17
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    expected = ReferenceEvaluator(model).run(None, {})
    found = fold(
        ours := node_of(op, len(inputs), outputs, attributes), Constants(ours, [np.asarray(i) for i in inputs])
    )
    for mine, reference in zip(found, expected, strict=True):
        assert mine.dtype == reference.dtype
        assert mine.shape == reference.shape
        assert np.allclose(mine, reference)


def test_every_folder_is_tried():
    assert {op for op, _, _ in CASES} == set(FOLDERS)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("ConstantOfShape", [I([1 << 40, 1 << 20])], {}),
        ("ConstantOfShape", [I([-3])], {}),
        ("Expand", [I([1]), I([1 << 50])], {}),
        ("Range", [I(0), I(1 << 60), I(1)], {}),
        ("Range", [I(0), I(9), I(0)], {}),
        ("Mul", [np.zeros((1 << 20, 1), np.int8), np.zeros((1, 1 << 20), np.int8)], {}),
        ("Gather", [DATA, I([99])], {}),
        ("Reshape", [DATA, I([5, 5])], {}),
        ("Div", [I([1]), I([0])], {}),
        ("Squeeze", [DATA, I([0])], {}),
    ],
)
def test_nonsense_is_a_model_error_and_allocates_nothing(op, inputs, attributes):
    node = node_of(op, len(inputs), 1, attributes)
    with pytest.raises(ModelError, match="node 'n'"):
        fold(node, Constants(node, [np.asarray(array) for array in inputs]))
