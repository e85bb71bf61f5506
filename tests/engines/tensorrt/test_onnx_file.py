import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnv2_engines.errors import ModelError
from mnv2_engines.tensorrt.onnx_file import encode_model, fix_batch, load_model


def model_with(shape, out, *, inner=None):
    value = helper.make_tensor_value_info
    weights = [numpy_helper.from_array(np.ones(3, np.float32).reshape(1, 3, 1, 1), "k")]
    nodes = [helper.make_node("Mul", ["x", "k"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value("x", 1, shape)], [value("y", 1, out)], weights)
    if inner:
        graph.value_info.append(value("m", TensorProto.FLOAT, inner))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def shape_of(value):
    return [dim.dim_value or dim.dim_param or None for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("open_", ["N", None])
def test_an_open_batch_becomes_one_picture(open_):
    model = model_with([open_, 3, 4, 4], [open_, 3, 4, 4], inner=[open_, 3, 4, 4])
    fix_batch(model)
    assert shape_of(model.graph.input[0]) == [1, 3, 4, 4]
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    assert shape_of(inferred.input[0]) == [1, 3, 4, 4]
    assert shape_of(inferred.output[0])[0] in {1, None}
    onnx.checker.check_model(model, full_check=True)


def test_a_stated_batch_and_other_open_dimensions_stay():
    for shape in ([2, 3, 4, 4], [1, 3, "H", "W"]):
        model = model_with(shape, shape)
        before = encode_model(model)
        fix_batch(model)
        assert encode_model(model) == before


def test_weights_beside_the_file_are_read(tmp_path):
    model = model_with([1, 3, 4, 4], [1, 3, 4, 4])
    whole = numpy_helper.to_array(model.graph.initializer[0])
    onnx.save_model(model, str(tmp_path / "m.onnx"), save_as_external_data=True, location="m.data", size_threshold=0)
    loaded = load_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), whole)
    (tmp_path / "m.data").unlink()
    with pytest.raises(ModelError, match=r"cannot be read with its weights: .*; copy both files together"):
        load_model(tmp_path / "m.onnx")


def test_what_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        load_model(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="is not an ONNX file"):
        load_model(tmp_path / "text.onnx")
