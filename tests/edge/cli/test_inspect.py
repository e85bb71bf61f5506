"""`mnv2-edge inspect` as a user calls it."""

import json

import onnx
import pytest
from onnx import TensorProto, helper

from mnv2_edge import __main__ as program
from mnv2_engines.networks import MobileNetV2, initial_weights, write_network


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    network = MobileNetV2(0.35, (96, 96), 1000)
    path = tmp_path_factory.mktemp("inspect") / "tiny.onnx"
    path.write_bytes(write_network(network, initial_weights(network)))
    return path


def test_the_published_row_stands_beside_ours(model, capsys):
    assert program.main(["inspect", str(model), "--summary"]) == 0
    out = capsys.readouterr().out
    assert "family       MobileNetV2 width 0.35, 96x96, 1000 classes\n" in out
    rows = [line.split() for line in out.splitlines()[-2:]]
    assert rows == [
        ["this", "file", "11", "1.66", "-", "-", "-"],
        ["published,", "ImageNet", "11", "1.66", "45.5", "70.4", "4.5"],
    ]


def test_every_layer_is_a_line(model, capsys):
    assert program.main(["inspect", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["OPERATOR", "OUTPUT", "MACS", "PARAMETERS", "WEIGHTS", "LAYER"]
    assert lines[1].split() == ["Conv", "1x16x48x48", "995,328", "432", "1.7", "KiB", "features.0.0"]
    assert "MACs         11,934,128" in lines


def test_names_out_of_a_file_cannot_steer_a_terminal(tmp_path, capsys):
    node = helper.make_node("Relu", ["\x1b[2Jx"], ["y"], name="\x1b[31mred")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("\x1b[2Jx", "y")]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    path = tmp_path / "names.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    assert program.main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "?[31mred" in out
    assert "\x1b" not in out


def test_json_holds_everything(model, capsys):
    assert program.main(["inspect", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["macs"] == sum(layer["macs"] for layer in found["layers"]) == 11_934_128
    assert found["inputs"] == [{"name": "input", "shape": [1, 3, 96, 96], "dtype": "float32", "bytes": 110592}]
    assert found["family"]["published"]["macs_m"] == found["family"]["macs_m"] == 11
    assert found["peak_activations"]["bytes"] > 0


def test_tflite_is_understood_too(root, capsys):
    assert program.main(["inspect", str(root / "engines/mnv2_engines/demo/demo.tflite"), "--summary"]) == 0
    out = capsys.readouterr().out
    assert "TFLite" in out
    assert "MobileNetV2 width 0.35, 96x96, 12 classes" in out


def test_a_file_that_is_no_model_is_status_65(tmp_path, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("no model")
    assert program.main(["inspect", str(path)]) == 65
    assert capsys.readouterr().err.startswith(f"mnv2-edge: error: {path} is not an ONNX file")
