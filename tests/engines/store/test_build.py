"""Build into a store, and again from what it kept."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from mnv2_engines.building.request import BuildRequest, BuildResult, Pictures
from mnv2_engines.building.verification import AccuracyLimits
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.facts import FileFacts
from mnv2_engines.engine.install import install_engine
from mnv2_engines.engine.manifest import encode_manifest
from mnv2_engines.errors import (
    BuildError,
    CorruptEngineError,
    DiskError,
    StaleEngineError,
    UnknownEngineError,
    VerificationError,
)
from mnv2_engines.store import Store
from mnv2_engines.store.build import build_stored, rebuild_stored
from mnv2_engines.store.readiness import verify_stored
from mnv2_engines.store.reference import StoredEngine
from mnv2_engines.store.sources import read_request


def test_a_version_holds_the_engine_and_all_that_it_was_built_from(store: Store, signs_request, signs_model) -> None:
    version = store.version("signs")
    held = sorted(str(path.relative_to(version.folder)) for path in version.folder.rglob("*") if path.is_file())
    assert held == [
        "signs.json",
        "signs.tflite",
        "source/calibration.png",
        "source/demo.onnx",
        "source/recipe.json",
        "source/verification.png",
    ]
    asked = signs_request()
    again = read_request(version.source, threads=1, cache_dir=None)
    for field in ("preprocess", "name", "target", "precision", "task", "labels", "limits", "accept_loss"):
        assert getattr(again, field) == getattr(asked, field)
    assert again.model.read_bytes() == signs_model.read_bytes()
    for kept, given in ((again.calibration, asked.calibration), (again.validation, asked.validation)):
        assert kept.source == given.source
        np.testing.assert_array_equal(kept.items, given.items)


def test_a_rebuild_needs_nothing_else_and_gives_the_same_engine(store: Store) -> None:
    before = store.version("signs")
    engine = before.engine_path().read_bytes()
    result = rebuild_stored(store, "signs")
    assert result.require_installed() == store.folder / "signs" / "signs.tflite"
    assert store.version("signs") != before
    assert result.path.read_bytes() == engine
    assert verify_stored(store, "signs").state == "ok"
    assert not before.folder.exists()


def test_what_loses_too_much_is_put_aside_and_the_old_engine_stays(store: Store, signs_request) -> None:
    before = store.version("signs")
    result = build_stored(store, signs_request(limits=AccuracyLimits(sqnr_db=90.0)))
    assert not result.installed
    assert result.path == store.folder / ".rejected" / "signs" / "signs.rejected.tflite"
    assert read_engine(result.path).manifest is not None
    assert store.version("signs") == before
    with pytest.raises(VerificationError, match="90 dB are needed"):
        result.require_installed()


def test_weights_in_a_file_of_their_own_are_kept_too_and_of_a_float_engine_no_pictures(
    tmp_path: Path, signs_request, signs_model
) -> None:
    store, nothing = Store(tmp_path / "home"), Pictures("", ())
    split = tmp_path / "split" / "signs.onnx"
    split.parent.mkdir()
    onnx.save(onnx.load(signs_model), split, save_as_external_data=True, location="weights.bin", size_threshold=1000)
    build_stored(
        store, signs_request(model=split, precision="fp32", calibration=nothing, validation=nothing)
    ).require_installed()
    first = store.version("signs").engine_path().read_bytes()
    assert sorted(path.name for path in store.version("signs").source.iterdir()) == ["recipe.json", "signs.onnx"]
    for file in split.parent.iterdir():
        file.unlink()
    assert rebuild_stored(store, "signs").path.read_bytes() == first


def test_a_model_that_changes_meanwhile_is_noticed(store: Store, signs_request, signs_model, tmp_path: Path) -> None:
    model = tmp_path / "signs.onnx"
    model.write_bytes(signs_model.read_bytes())
    before = store.version("signs")

    def change(phase: str, _done: int, _total: int) -> None:
        if phase == "verify":
            model.write_bytes(b"another")

    with pytest.raises(BuildError, match="was changed while it was being built"):
        build_stored(store, signs_request(model=model), change)
    assert store.version("signs") == before


@pytest.mark.parametrize("file", ["source/recipe.json", "source/demo.onnx", "source/calibration.png"])
def test_sources_that_were_changed_are_refused(store: Store, file: str) -> None:
    path = store.version("signs").folder / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CorruptEngineError, match="build"):
        rebuild_stored(store, "signs")
    found = verify_stored(store, "signs")
    assert found.state == "failed"
    assert path.name in found.why


def test_a_damaged_engine_is_found_and_can_be_built_again(store: Store) -> None:
    path = store.version("signs").engine_path()
    raw = bytearray(path.read_bytes())
    raw[5000] ^= 1
    path.write_bytes(raw)
    found = verify_stored(store, "signs")
    assert found.state == "damaged"
    assert "build it again with `mnv2-edge engines rebuild signs`" in found.why


def test_a_version_that_is_gone_is_told(store: Store) -> None:
    shutil.rmtree(store.version("signs").folder)
    found = verify_stored(store, "signs")
    assert found.state == "failed"
    assert "leads to nothing" in found.why


def test_an_engine_that_another_runtime_runs_otherwise_is_stale(store: Store) -> None:
    def refuse(path: Path) -> None:
        raise StaleEngineError(f"{path} is stale")

    assert verify_stored(store, "signs", load=refuse).state == "stale"


def test_a_name_that_is_not_there(store: Store) -> None:
    for act in (rebuild_stored, verify_stored):
        with pytest.raises(UnknownEngineError, match="did you mean signs"):
            act(store, "sings")


def test_a_plan_is_kept_and_built_again_like_any_engine(store: Store, signs_request, describe_engine) -> None:
    """Only the builder knows what it builds."""
    plans = [b"plan one", b"plan two"]

    def build(request: BuildRequest, _progress: object) -> BuildResult:
        plan = plans.pop(0)
        model = request.model.read_bytes()
        manifest = describe_engine(
            plan,
            target="tensorrt",
            precision="fp16",
            model=FileFacts(file=request.model.name, sha256=hashlib.sha256(model).hexdigest(), bytes=len(model)),
        )
        named = msgspec.structs.replace(manifest.engine, file=request.output.name)
        manifest = msgspec.structs.replace(manifest, engine=named)
        install_engine(request.output, plan, encode_manifest(manifest))
        return BuildResult(request.output, True, manifest, None, (), (), {})

    asked = signs_request(target="tensorrt", precision="fp16", workspace_mib=64)
    assert build_stored(store, asked, build=build).path == store.folder / "signs" / "signs.plan"
    assert read_engine(store.version("signs").engine_path()).kind == "tensorrt"
    assert rebuild_stored(store, "signs", build=build).path.read_bytes() == b"plan two"
    assert [path.name for path in store.version("signs").folder.glob("signs.*")].count("signs.tflite") == 0
    assert read_request(store.version("signs").source, threads=1, cache_dir=None).workspace_mib == 64


def test_a_full_disk_ends_a_build_and_nothing_else(store: Store, signs_request, monkeypatch) -> None:
    before = store.version("signs")

    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("mnv2_engines.files.durable.os.fsync", full)
    with pytest.raises(DiskError, match="nothing was changed"):
        build_stored(store, signs_request())
    monkeypatch.undo()
    assert store.version("signs") == before
    assert list((store.folder / ".staging").iterdir()) == []


def test_a_reference_notices_a_new_version_and_keeps_the_one_that_was_read(store: Store) -> None:
    with contextlib.closing(StoredEngine(store, "signs")) as reference:
        seen, engine = reference.version(), reference.read()
        assert reference.version() == seen
        with store.staging("signs") as staging:
            shutil.copytree(store.version("signs").folder, staging.folder, dirs_exist_ok=True)
            staging.publish()
        assert reference.version() != seen
        assert engine.path.is_file()
        assert reference.read().path.is_file()
        store.tidy("signs")
        assert not engine.path.exists()
        store.remove("signs")
        assert reference.version() == "UnknownEngineError"
