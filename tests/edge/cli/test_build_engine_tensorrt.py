"""`build-engine` for TensorRT from the command line, on a Jetson that is a fake; and how the target is chosen."""

import json
import sys

import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.cli.build_inputs import choose_precision, choose_target, require_ending
from mnv2_edge.demo import render
from mnv2_edge.errors import UsageError
from mnv2_engines.errors import BackendUnavailableError
from support.fake_jetson import FakeJetson
from support.fake_tensorrt_builder import add_builder


@pytest.fixture
def jetson(monkeypatch, tmp_path):
    jetson = FakeJetson(monkeypatch, tmp_path / "root")
    add_builder(jetson.tensorrt)
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return jetson


@pytest.fixture
def model(root, tmp_path):
    path = tmp_path / "signs.onnx"
    path.write_bytes((root / "engines" / "mnv2_engines" / "demo" / "demo.onnx").read_bytes())
    return path


@pytest.fixture
def photos(tmp_path):
    import cv2

    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), render(5, 40 * number)[..., ::-1])
    return folder


def build(model, *arguments):
    return program.main(["build-engine", str(model), "--target", "tensorrt", *map(str, arguments)])


def test_a_plan_beside_the_model(jetson, model, photos, tmp_path, capsys):
    output, page = tmp_path / "signs.plan", tmp_path / "signs.html"
    assert build(model, "--output", output, "--validation", photos, "--report", page) == 0
    out, _ = capsys.readouterr()
    assert f"{output}: fp16, " in out
    assert "verified on 6 pictures" in out
    assert "; on TensorRT 10.3.0" in out
    assert f"run it: mnv2-edge run --model {output}" in out
    assert "XNNPACK" not in out + page.read_text()
    assert "TensorRT 10.3.0, CUDA 12.6, GPU Orin, compute capability 8.7" in page.read_text()


def test_a_plan_in_the_store_is_built_again_from_what_was_kept(jetson, model, photos, tmp_path, capsys):
    assert build(model, "--calibration", photos, "--name", "door", "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["engine"].endswith("door.plan")
    assert described["precision"] == "fp16"
    assert described["calibration"] is None
    assert described["verification"]["images"] == 6
    model.unlink()
    assert program.main(["engines", "rebuild", "door"]) == 0
    assert "fp16" in json.dumps(json.loads((tmp_path / "home/engines/door/door.json").read_text())["precision"])


def test_pictures_to_verify_with_make_calibration_useless(jetson, model, photos, capsys):
    assert build(model, "--calibration", "nowhere", "--validation", photos) == 0
    assert "fp16 needs no calibration: --calibration nowhere is not used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--precision", "int8"), 2, "int8 is LiteRT's: for TensorRT expected fp16 or fp32"),
        (("--output", "x.tflite"), 2, "does not end in .trt or .plan or .engine"),
        (("--optimization-level", "9"), 2, "9"),
        (("--validation", "nowhere"), 69, "nowhere"),
        (("--min-sqnr", "95"), 1, "--precision fp32 builds it in float32"),
    ],
)
def test_mistakes(jetson, model, capsys, arguments, status, says):
    assert build(model, *arguments) == status
    assert says in capsys.readouterr().err


def test_without_tensorrt(model, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert build(model) == 69
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert "TensorRT is not installed" in errors[0]


def test_flags_of_tensorrt_are_none_of_litert(model, capsys):
    assert program.main(["build-engine", str(model), "--target", "litert", "--workspace-mib", "64"]) == 2
    assert "--workspace-mib is TensorRT's, and this builds for LiteRT" in capsys.readouterr().err


class TestTheTarget:
    def test_it_is_what_is_named(self, tmp_path):
        assert choose_target("litert", None, tmp_path / "x.plan", tmp_path) == "litert"
        assert choose_target("tensorrt", "int8", None, tmp_path) == "tensorrt"

    def test_a_machine_that_is_no_jetson_is_for_litert(self, tmp_path):
        assert choose_target("auto", None, None, tmp_path) == "litert"

    def test_a_jetson_is_for_tensorrt_and_says_so(self, jetson, caplog):
        with caplog.at_level("INFO"):
            assert choose_target("auto", None, None, jetson.root) == "tensorrt"
        assert "--target litert builds for its CPU" in caplog.text

    def test_a_container_on_a_jetson_sees_the_device_tree_alone(self, jetson, tmp_path):
        tree = tmp_path / "container" / "proc" / "device-tree"
        tree.mkdir(parents=True)
        (tree / "compatible").write_bytes(b"nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0")
        assert choose_target("auto", None, None, tmp_path / "container") == "tensorrt"

    def test_a_jetson_that_cannot_import_it_says_why(self, jetson, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorrt", None)
        with pytest.raises(BackendUnavailableError, match="--target litert"):
            choose_target("auto", None, None, jetson.root)

    def test_int8_and_a_tflite_file_are_for_the_cpu_on_a_jetson_too(self, jetson, tmp_path):
        assert choose_target("auto", "int8", None, jetson.root) == "litert"
        assert choose_target("auto", None, tmp_path / "x.tflite", jetson.root) == "litert"

    def test_a_plan_is_tensorrt_s(self, tmp_path):
        assert choose_target("auto", None, tmp_path / "x.engine", tmp_path) == "tensorrt"


@pytest.mark.parametrize(
    ("target", "wanted", "precision"),
    [("litert", None, "int8"), ("litert", "fp32", "fp32"), ("tensorrt", None, "fp16"), ("tensorrt", "fp32", "fp32")],
)
def test_each_target_has_its_precisions(target, wanted, precision):
    assert choose_precision(target, wanted) == precision


def test_an_output_has_its_target_s_ending(tmp_path):
    require_ending("tensorrt", tmp_path / "x.engine")
    require_ending("litert", None)
    with pytest.raises(UsageError, match=r"does not end in \.tflite"):
        require_ending("litert", tmp_path / "x.plan")
