"""What a file says, read without trusting it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from mnv2_engines.errors import ModelError, UnsupportedOperatorError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compile_model, read_model_interface
from mnv2_engines.tflite.importer.onnx_reader import read_onnx
from support.onnx_networks import Network, random_pictures


def small():
    network = Network()
    network.conv(3, 4)
    return network


def refuse(path, *words):
    with pytest.raises(ModelError) as caught:
        read_model_interface(path)
    message = str(caught.value)
    assert all(word in message for word in words), message


def test_a_missing_file(tmp_path):
    refuse(tmp_path / "absent.onnx", "absent.onnx", "cannot be read")


def test_a_folder(tmp_path):
    refuse(tmp_path, "cannot be read")


@pytest.mark.parametrize("content", [b"", b"not a protobuf at all", b"\x00" * 64, b"\x89PNG\r\n\x1a\n" * 8])
def test_something_else_than_onnx(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refuse(path, "model.onnx", "ONNX")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    refuse(path, "more than 1024 MiB")


def test_an_absurd_shape_allocates_nothing(tmp_path):
    model = small().model()
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 20]
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    refuse(path, "absurd shape")


def test_an_absurd_picture_allocates_nothing(tmp_path):
    refuse(Network((1, 3, 1 << 20, 1 << 20)).save(tmp_path / "m.onnx", outputs=["x"]), "graph")
    network = Network((1, 3, 1 << 20, 1 << 20))
    network.conv(3, 4)
    refuse(network.save(tmp_path / "model.onnx"), "too large")


def test_a_weight_that_is_no_number(tmp_path):
    network = small()
    weights = numpy_helper.to_array(network.initializers[0]).copy()
    weights[0, 0, 0, 0] = np.nan
    network.initializers[0] = numpy_helper.from_array(weights, network.initializers[0].name)
    refuse(network.save(tmp_path / "model.onnx"), "no numbers")


@pytest.mark.parametrize("opset", [8, 10_000])
def test_an_opset_out_of_range(tmp_path, opset):
    refuse(Network.save(_with_opset(opset), tmp_path / "model.onnx"), f"opset {opset}", "9 to")


def _with_opset(opset):
    network = small()
    network.opset = opset
    return network


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 1, 16, 16), ("channels",)),
        ((2, 3, 16, 16), ("one picture",)),
        ((1, 3, 16), ("one picture",)),
        ((1, 3, "h", "w"), ("fixed height and width",)),
    ],
)
def test_inputs_that_are_no_colour_picture(tmp_path, shape, words):
    network = Network(shape)
    network.node("Relu")
    refuse(network.save(tmp_path / "model.onnx"), *words)


def test_a_free_batch_is_one(tmp_path):
    interface = read_model_interface(small().save(tmp_path / "model.onnx", batch="N"))
    assert interface.input.shape == (1, 3, 16, 16)
    assert interface.input.size_hw == (16, 16)
    assert interface.outputs[0].shape == (1, 4, 14, 14)
    assert interface.outputs[0].layout == "NCHW"


def test_a_channels_last_input(tmp_path):
    network = Network((1, 24, 16, 3))
    network.node("Transpose", perm=[0, 3, 1, 2])
    network.conv(3, 4)
    path = network.save(tmp_path / "model.onnx")
    assert read_model_interface(path).input.layout == "NHWC"
    compiled = compile_model(path, pictures=random_pictures(2, (24, 16)), preprocess=Preprocess())
    assert compiled.input.shape == (1, 24, 16, 3)


def test_a_custom_operator_is_named(tmp_path):
    model = small().model()
    model.graph.node[0].domain = "com.example"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedOperatorError, match=r"com\.example\.Conv.*Conv_0"):
        read_onnx(path)


def test_nodes_out_of_order(tmp_path):
    network = small()
    network.node("Relu")
    network.nodes.reverse()
    refuse(network.save(tmp_path / "model.onnx", outputs=[network.nodes[0].output[0]]), "no earlier node")


def test_an_output_that_nothing_computes(tmp_path):
    refuse(small().save(tmp_path / "model.onnx", outputs=["nowhere"]), "nowhere")


def test_weights_beside_the_file(tmp_path):
    model = small().model()
    path = tmp_path / "model.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert read_model_interface(path).outputs[0].shape == (1, 4, 14, 14)
    (tmp_path / "weights.bin").write_bytes(b"short")
    refuse(path, "elements")
    (tmp_path / "weights.bin").unlink()
    refuse(path, "weights.bin", "copy both files")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", ""])
def test_weights_outside_the_folder_are_not_read(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(b"\x00" * 432)
    model = small().model()
    external_data_helper.set_external_data(model.graph.initializer[0], location)
    model.graph.initializer[0].ClearField("raw_data")
    folder = tmp_path / "inside"
    folder.mkdir()
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    refuse(path, "folder of the model")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8, np.uint8, np.int32, np.int64, np.bool_])
def test_elements_in_typed_fields(tmp_path, dtype):
    values = np.array([0, 1, 1], dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensor = helper.make_tensor("t", kind, [3], values.tolist())
    node = helper.make_node("Identity", ["t"], ["y"])
    graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])], [tensor])
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    read = read_onnx(path).constants["t"]
    assert read.dtype == dtype
    assert np.array_equal(read, values)
