"""`mnv2-edge run` with a plan, on a Jetson that is made of fakes."""

import gc
import json

import cv2
import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.demo import render
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import read_engine
from support.engines import write_engine
from support.fake_jetson import ORIN, FakeJetson
from support.fake_tensorrt import fake_plan


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path):
    return FakeJetson(monkeypatch, tmp_path / "root")


@pytest.fixture
def plan(tmp_path):
    """Return a plan of the demo network, as if it had been built on an Orin."""
    path = tmp_path / "signs.engine"
    content = fake_plan(demo_engine_path().with_suffix(".onnx").read_bytes())
    contract = read_engine(demo_engine_path()).manifest.preprocess_model
    facts = {"target": "tensorrt", "precision": "fp16", "tensorrt": ORIN, "golden": None}
    write_engine(path, "signs", content, preprocess_engine=contract, **facts)
    return path


def run(*arguments: str) -> int:
    return program.main(["run", "--format", "jsonl", "--max-frames", "60", *arguments])


def labels(capsys) -> list[str]:
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    results = [record for record in records if "predictions" in record]
    return [result["predictions"][0]["label"] for result in results]


@pytest.mark.parametrize("provider", ["cuda-python", "pycuda"])
def test_it_sees_what_litert_sees(jetson, plan, capsys, provider, tmp_path) -> None:
    jetson.use_provider(provider)
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for number in range(12):
        cv2.imwrite(str(scenes / f"{number:02}.png"), render(5, 40 * number)[..., ::-1])
    assert run("--camera", str(scenes), "--model", str(plan)) == 0
    on_the_gpu = labels(capsys)
    assert run("--camera", str(scenes)) == 0
    assert on_the_gpu == labels(capsys)
    assert len(on_the_gpu) == 12
    assert len(set(on_the_gpu)) > 2
    gc.collect()
    assert jetson.gpu.live == []


def test_the_modes_of_the_configuration_reach_the_gpu(jetson, plan, tmp_path, capsys) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        f"version: 1\nengine: {{model: {plan}, gpu_memory: copy, cuda_graph: never}}\ncameras: [{{uri: demo}}]\n"
    )
    assert run("--config", str(config)) == 0
    assert "Orin (compute capability 8.7), copies, no CUDA graphs" in capsys.readouterr().err
    assert jetson.gpu.launched_graphs == 0
    assert jetson.gpu.copied_bytes > 0


def test_after_an_upgrade_it_ends_with_65_both_versions_and_the_command(jetson, plan, capsys) -> None:
    jetson.use_tensorrt("11.4.0")
    assert run("--camera", "demo", "--model", str(plan)) == 65
    err = capsys.readouterr().err
    assert "signs.engine does not fit this device any more: TensorRT 10.3.0 became 11.4.0: build it again with" in err
    assert f"`mnv2-edge build-engine demo.onnx --target tensorrt --output {plan}`" in err
    assert "Traceback" not in err


def test_a_damaged_plan_ends_with_65(jetson, plan, capsys, monkeypatch) -> None:
    monkeypatch.setattr(jetson.tensorrt.Runtime, "deserialize_cuda_engine", lambda *_: pytest.fail("deserialised"))
    plan.write_bytes(plan.read_bytes()[:-1])
    assert run("--camera", "demo", "--model", str(plan)) == 65
    assert "is not the file that was verified" in capsys.readouterr().err


def test_without_a_gpu_it_ends_with_69(jetson, plan, capsys) -> None:
    jetson.gpu.present = False
    assert run("--camera", "demo", "--model", str(plan)) == 69
    assert "no NVIDIA GPU that this process can use" in capsys.readouterr().err


def test_without_tensorrt_it_ends_with_69(plan, capsys) -> None:
    """On this very machine, without any fake."""
    assert run("--camera", "demo", "--model", str(plan)) == 69
    assert "error: TensorRT is not installed and this is not a Jetson" in capsys.readouterr().err
