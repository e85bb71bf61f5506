"""A whole build for a Jetson that is a fake: TensorRT's place is taken by ONNX Runtime, CUDA's by host memory."""

import dataclasses
import logging
from contextlib import closing

import msgspec
import numpy as np
import onnx
import pytest

from mnv2_engines.backends.tensorrt import open_tensorrt
from mnv2_engines.building.build import build_engine
from mnv2_engines.building.builders.tensorrt import TensorRtBuilder
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.building.verification import AccuracyLimits
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import (
    BackendUnavailableError,
    BuildError,
    MemoryShortageError,
    ModelError,
    StaleEngineError,
    VerificationError,
)
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.proof.self_test import recheck_engine
from mnv2_engines.tensorrt.onnx_file import encode_model, load_model
from support.fake_jetson import ORIN, FakeJetson
from support.fake_tensorrt import MAGIC
from support.fake_tensorrt_builder import add_builder

SIGNS = Preprocess()


@pytest.fixture
def jetson(monkeypatch, tmp_path):
    jetson = FakeJetson(monkeypatch, tmp_path / "root")
    add_builder(jetson.tensorrt)
    (jetson.root / "proc").mkdir()
    return jetson


@pytest.fixture
def build(jetson, signs_model, signs_pictures, tmp_path):
    request = BuildRequest(
        model=signs_model,
        output=tmp_path / "signs.plan",
        preprocess=SIGNS,
        calibration=Pictures("", ()),
        validation=Pictures("scenes", signs_pictures[24:]),
        name="signs",
        target="tensorrt",
        precision="fp16",
        task="classify",
        limits=AccuracyLimits.of("fp16"),
        cache_dir=tmp_path / "cache",
    )

    def run(progress=lambda _phase, _done, _total: None, **changes):
        builders = {"tensorrt": TensorRtBuilder(root=jetson.root)}
        return build_engine(dataclasses.replace(request, **changes), progress, builders)

    return run


def test_a_plan_is_built_verified_and_installed(build, jetson, tmp_path, caplog):
    phases = []
    with caplog.at_level(logging.WARNING):
        result = build(lambda phase, _done, _total: phases.append(phase))
    assert caplog.text == ""
    assert list(dict.fromkeys(phases)) == ["read", "build", "verify", "explain", "install"]
    assert result.manifest.final_operators == {"logits": "FULLY_CONNECTED"}
    engine = read_engine(result.require_installed())
    manifest = engine.manifest
    assert (engine.kind, manifest.target, manifest.precision) == ("tensorrt", "tensorrt", "fp16")
    assert manifest.tensorrt == ORIN
    assert manifest.runtimes["tensorrt"] == "10.3.0"
    assert manifest.runtimes["cuda"].startswith("cuda-python")
    assert manifest.calibration is None
    assert engine.preprocess == manifest.preprocess_model.value() == SIGNS
    facts = manifest.verification
    assert (facts.source, facts.images, facts.runtime) == ("scenes", 16, "TensorRT 10.3.0")
    assert facts.outputs[0].sqnr_db > 40
    assert facts.agreement.share == 1.0
    assert (tmp_path / "cache" / "tensorrt" / "timings-10.3.0-cuda12.6-Orin-8.7.bin").is_file()
    with closing(open_tensorrt(result.path, root=jetson.root)) as backend:
        recheck_engine(backend, engine)


def test_the_plan_is_an_fp16_network_of_one_picture(build, signs_model):
    plan = build().path.read_bytes()
    assert plan.startswith(MAGIC)
    assert len(plan) < 0.6 * signs_model.stat().st_size


def test_an_open_batch_is_built_for_one_picture(build, signs_model, tmp_path, jetson):
    model = load_model(signs_model)
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    dim.Clear()
    dim.dim_param = "N"
    (tmp_path / "open.onnx").write_bytes(encode_model(model))
    result = build(model=tmp_path / "open.onnx")
    with closing(open_tensorrt(result.path, root=jetson.root)) as backend:
        assert backend.input_spec.shape == (1, 3, 96, 96)


def test_float32_is_the_float_network_itself(build):
    result = build(precision="fp32", limits=AccuracyLimits.of("fp32"))
    assert result.manifest.precision == "fp32"
    level = result.verification.facts.outputs[0].sqnr_db
    assert level is None or level > 90


def test_without_pictures_a_test_card_shows_that_it_computes(build):
    facts = build(validation=Pictures("", ())).manifest.verification
    assert (facts.source, facts.images) == ("a test card", 1)


def test_a_plan_that_loses_too_much_is_put_aside_with_what_may_help(build, tmp_path):
    result = build(limits=AccuracyLimits(sqnr_db=90.0))
    assert not result.installed
    assert result.path == tmp_path / "signs.rejected.plan"
    assert not (tmp_path / "signs.plan").exists()
    with pytest.raises(VerificationError, match="--precision fp32 builds it in float32"):
        result.require_installed()


def test_a_weight_that_fp16_cannot_hold_is_named(build, signs_model, tmp_path, caplog):
    model = load_model(signs_model)
    last = model.graph.node[-1]
    last.output[0] = "small"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(70000.0, np.float32), "gain"))
    model.graph.node.append(onnx.helper.make_node("Mul", ["small", "gain"], ["logits"], "louder"))
    (tmp_path / "loud.onnx").write_bytes(encode_model(model))
    with caplog.at_level(logging.WARNING):
        result = build(model=tmp_path / "loud.onnx")
    assert caplog.messages == ["'gain' holds numbers beyond 65504, FP16's largest: Mul 'louder' stays float32"]
    assert result.installed


def test_too_little_memory_is_said_before_anything_is_built(build, jetson):
    (jetson.root / "proc" / "meminfo").write_text("MemAvailable: 300000 kB\nSwapFree: 0 kB\n")
    with pytest.raises(MemoryShortageError, match=r"^292 MiB of memory are free"):
        build()


def test_int8_is_litert_s(build):
    with pytest.raises(BuildError, match="--target litert for int8"):
        build(precision="int8")


def test_no_gpu(build, jetson, tmp_path):
    jetson.gpu.present = False
    with pytest.raises(BackendUnavailableError):
        build()
    assert [path.name for path in tmp_path.iterdir() if "signs" in path.name] == []


def test_a_model_that_is_none(build, tmp_path):
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises(ModelError, match="is not an ONNX file"):
        build(model=tmp_path / "text.onnx")


def test_a_plan_is_stale_after_an_upgrade(build, jetson):
    path = build().path
    jetson.use_tensorrt("10.7.0")
    with pytest.raises(StaleEngineError, match=r"TensorRT 10\.3\.0 became 10\.7\.0.*--target tensorrt --output"):
        open_tensorrt(path, root=jetson.root)


def test_the_same_facts_go_into_the_manifest_as_are_compared(build):
    assert msgspec.to_builtins(build().manifest.tensorrt) == msgspec.to_builtins(ORIN)
