import sys

import msgspec
import pytest

from mnv2_engines.engine.engine import read_engine
from mnv2_engines.errors import BackendUnavailableError, EngineError
from mnv2_engines.tensorrt.fingerprint import explain_staleness
from support.fake_jetson import ORIN, FakeJetson, write_plan


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path):
    return FakeJetson(monkeypatch, tmp_path / "root")


def test_a_plan_that_fits(jetson, tmp_path, signs_model, describe_engine) -> None:
    engine = read_engine(write_plan(tmp_path / "signs.engine", signs_model.read_bytes(), describe_engine))
    assert explain_staleness(engine, jetson.root) is None


def test_after_an_upgrade_both_versions_and_the_command_are_named(
    jetson, tmp_path, signs_model, describe_engine
) -> None:
    engine = read_engine(write_plan(tmp_path / "signs.engine", signs_model.read_bytes(), describe_engine))
    jetson.use_tensorrt("10.7.0")
    (jetson.root / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 1\n")
    assert explain_staleness(engine, jetson.root) == (
        f"{engine.path} does not fit this device any more: TensorRT 10.3.0 became 10.7.0, L4T 36.4.0 became 36.4.3: "
        f"build it again with `mnv2-edge build-engine signs.onnx --target tensorrt --output {engine.path}`"
    )


def test_a_stored_plan_names_the_stores_command(jetson, tmp_path, signs_model, describe_engine) -> None:
    folder = tmp_path / ".versions" / "signs" / "0001"
    folder.mkdir(parents=True)
    built = msgspec.structs.replace(ORIN, cuda="12.2")
    engine = read_engine(write_plan(folder / "signs.engine", signs_model.read_bytes(), describe_engine, built=built))
    assert explain_staleness(engine, jetson.root).endswith(
        "CUDA 12.2 became 12.6: build it again with `mnv2-edge engines rebuild signs`"
    )


def test_a_litert_engine_is_not_judged_by_versions(monkeypatch, install) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert explain_staleness(read_engine(install(b"\0\0\0\0TFL3"))) is None


def test_without_tensorrt_nobody_can_tell(jetson, tmp_path, signs_model, describe_engine, monkeypatch) -> None:
    engine = read_engine(write_plan(tmp_path / "signs.engine", signs_model.read_bytes(), describe_engine))
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendUnavailableError, match="python3-libnvinfer"):
        explain_staleness(engine, jetson.root)


def test_a_manifest_that_does_not_say(jetson, tmp_path, signs_model, describe_engine) -> None:
    path = write_plan(tmp_path / "signs.engine", signs_model.read_bytes(), describe_engine, built=None)
    with pytest.raises(EngineError, match="does not say what the plan was built for: build it again"):
        explain_staleness(read_engine(path), jetson.root)
