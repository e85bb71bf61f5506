"""`mnv2-edge import-weights` as a user calls it, up to a build."""

import pytest

from mnv2_edge import __main__ as program
from mnv2_engines.tflite.importer.lowering import LOWERINGS
from support.networks import MobileNetV2, state_dict
from support.torch_format import save_zip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_zip(tmp_path_factory.mktemp("weights") / "w.pth", state_dict(MobileNetV2(0.1, (32, 32), 4)))


def test_from_weights_to_an_engine(weights, tmp_path, capsys):
    output = tmp_path / "model.onnx"
    args = ["import-weights", str(weights), "-o", str(output), "--resolution", "64", "--classes", "4"]
    assert program.main([*args, "--arch", "mobilenet_v2", "--width", "0.1"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0] == f"{output}: MobileNetV2 width 0.1, 64x64, 4 classes"
    assert "mean 123.675,116.28,103.53, std 58.395,57.12,57.375, center-crop:0.875 (PyTorch" in lines[1]
    assert lines[2].startswith(f"next: mnv2-edge build-engine {output}")
    assert (
        program.main(["build-engine", str(output), "--precision", "fp32", "--output", str(tmp_path / "e.tflite")]) == 0
    )
    assert program.main(["inspect", str(tmp_path / "e.tflite"), "--summary"]) == 0
    assert "MobileNetV2 width 0.1, 64x64, 4 classes" in capsys.readouterr().out


def test_an_assumed_resolution_is_said(weights, tmp_path, capsys):
    assert program.main(["import-weights", str(weights), "-o", str(tmp_path / "m.onnx")]) == 0
    assert capsys.readouterr().err.startswith("note: weights do not tell the resolution: 224x224 is taken")


def test_an_operator_that_does_not_compile_is_said_at_once(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.delitem(LOWERINGS, "Gemm")
    output = tmp_path / "m.onnx"
    assert program.main(["import-weights", str(weights), "-o", str(output), "--resolution", "32"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "note: build-engine does not compile Gemm: the ONNX file is right, an engine needs another head"
    assert output.exists()


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["-o", "m.tflite"], 2, "does not end in .onnx"),
        (["-o", "no/such/m.onnx"], 2, "there is no folder no/such"),
        (["-o", "m.onnx", "--resolution", "100"], 2, "resolution 100x100 does not fit"),
        (["-o", "m.onnx", "--resolution", "big"], 2, "'big' is not a resolution"),
        (["-o", "m.onnx", "--classes", "9"], 65, "has 4 classes"),
        (["-o", "m.onnx", "--width", "1.0"], 65, "not a MobileNetV2 of width 1.0"),
        ([], 2, "issing option '--output'"),
    ],
)
def test_what_does_not_fit_is_one_line(args, status, message, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert program.main(["import-weights", str(weights), *args]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_status_65(tmp_path, capsys):
    assert program.main(["import-weights", str(tmp_path / "w.pth"), "-o", str(tmp_path / "m.onnx")]) == 65
    assert "there is no file" in capsys.readouterr().err
