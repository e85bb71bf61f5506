import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.building.build import BuildRequest, Pictures, build_engine, hold_out
from mnv2_engines.building.verification import AccuracyLimits
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.manifest import manifest_path
from mnv2_engines.errors import BuildError, CorruptEngineError, ModelError, VerificationError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.proof.self_test import is_tested, recheck_engine

STRICT = AccuracyLimits(sqnr_db=90.0)


@pytest.fixture
def request_for(signs_model: Path, signs_pictures, tmp_path: Path):
    def make(**changes: object) -> BuildRequest:
        request = BuildRequest(
            model=signs_model,
            output=tmp_path / "signs.tflite",
            preprocess=Preprocess(),
            calibration=Pictures("scenes", signs_pictures[:24]),
            validation=Pictures("others", signs_pictures[24:]),
            name="signs",
            task="classify",
            labels=tuple(f"sign {index}" for index in range(12)),
            cache_dir=tmp_path / "cache",
        )
        return dataclasses.replace(request, **changes)

    return make


def test_a_build_installs_a_verified_engine(request_for, caplog) -> None:
    phases: list[str] = []
    with caplog.at_level(logging.WARNING):
        result = build_engine(request_for(), lambda phase, _done, _total: phases.append(phase))
    engine = read_engine(result.require_installed())
    assert result.installed
    assert caplog.text == ""
    assert list(dict.fromkeys(phases)) == [
        "read",
        "calibrate",
        "quantise",
        "write",
        "layers",
        "verify",
        "explain",
        "install",
    ]
    assert set(result.seconds) == set(phases)
    manifest = engine.manifest
    assert manifest is not None
    assert manifest.preprocess_model.value() == Preprocess()
    assert engine.preprocess == manifest.preprocess_engine.value()
    assert (manifest.calibration.source, manifest.calibration.images) == ("scenes", 24)
    assert manifest.verification.source == "others"
    assert manifest.verification.accelerated
    assert len(manifest.verification.layers) > 30
    assert manifest.accepted_loss is None
    assert is_tested(engine, request_for().cache_dir)
    recheck_engine(LiteRtBackend(engine.path), engine)


def test_two_builds_give_the_same_engine(request_for, tmp_path: Path) -> None:
    first = build_engine(request_for()).path.read_bytes()
    second = build_engine(request_for(output=tmp_path / "again.tflite", threads=2)).path.read_bytes()
    assert first == second


def test_the_engine_answers_as_the_manifest_says_it_did(request_for, signs_pictures) -> None:
    """The golden picture is a thumbnail of the first judged picture, and its outputs are the engine's own."""
    engine = read_engine(build_engine(request_for()).path)
    golden = engine.manifest.golden
    assert (golden.height, golden.width, golden.dtype) == (32, 32, "int8")
    pixels = np.frombuffer(golden.picture, np.int8).reshape(32, 32, 3).astype(int) + 128
    blocks = signs_pictures[24].reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    assert np.abs(pixels - blocks).max() <= 1.0
    assert len(manifest_path(engine.path).read_bytes()) < 40_000


def test_a_loss_keeps_the_candidate_aside_and_the_old_engine_in_place(request_for, tmp_path: Path) -> None:
    old = build_engine(request_for()).path
    before = old.read_bytes(), manifest_path(old).read_bytes()
    result = build_engine(request_for(limits=STRICT, calibration=Pictures("few", request_for().calibration.items[:3])))
    assert not result.installed
    assert (old.read_bytes(), manifest_path(old).read_bytes()) == before
    assert result.path == tmp_path / "signs.rejected.tflite"
    assert read_engine(result.path).manifest.verification is not None
    with pytest.raises(VerificationError, match="90 dB are needed") as caught:
        result.require_installed()
    message = str(caught.value)
    assert "calibrated on 3 pictures" in message
    assert str(result.path) in message
    assert "--accept-loss" in message


def test_an_accepted_loss_is_installed_and_recorded(request_for) -> None:
    result = build_engine(request_for(limits=STRICT, accept_loss=True))
    assert result.installed
    assert result.faults
    loss = read_engine(result.require_installed()).manifest.accepted_loss
    assert loss is not None
    assert loss.reasons == result.faults
    assert loss.min_sqnr_db == 90.0


def test_a_sound_build_with_accept_loss_records_no_loss(request_for) -> None:
    assert build_engine(request_for(accept_loss=True)).manifest.accepted_loss is None


def test_fp32_needs_no_pictures(request_for) -> None:
    nothing = Pictures("", ())
    result = build_engine(request_for(precision="fp32", calibration=nothing, validation=nothing))
    engine = read_engine(result.require_installed())
    assert engine.manifest.calibration is None
    assert engine.manifest.golden.dtype == "float32"
    recheck_engine(LiteRtBackend(engine.path, threads=2), engine)


def test_an_engine_that_crashes_is_not_installed(request_for, monkeypatch) -> None:
    def crash(_path: Path) -> None:
        raise CorruptEngineError("crashed the runtime")

    monkeypatch.setattr("mnv2_engines.building.builders.litert.load_in_child", crash)
    request = request_for()
    with pytest.raises(CorruptEngineError):
        build_engine(request)
    assert list(request.output.parent.iterdir()) == []


def test_a_model_that_is_not_there(request_for, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not there"):
        build_engine(request_for(model=tmp_path / "none.onnx"))


@pytest.mark.parametrize(
    ("count", "kept", "held"), [(2, [0], [1]), (4, [0, 1, 2], [3]), (11, [0, 1, 2, 3, 5, 6, 7, 8, 10], [4, 9])]
)
def test_every_fifth_picture_is_held_back(count, kept, held) -> None:
    pictures = [np.full((1, 1, 3), index, np.uint8) for index in range(count)]
    calibration, validation = hold_out(Pictures("folder", pictures))
    assert [int(picture[0, 0, 0]) for picture in calibration.items] == kept
    assert [int(picture[0, 0, 0]) for picture in validation.items] == held
    assert "held back" in validation.source


@pytest.mark.parametrize("count", [0, 1])
def test_one_picture_cannot_judge_itself(count: int) -> None:
    with pytest.raises(BuildError, match="at least 2 are needed"):
        hold_out(Pictures("folder", [np.zeros((1, 1, 3), np.uint8)] * count))
