import msgspec
import pytest

from mnv2_engines.engine.facts import TensorRtFacts
from mnv2_engines.engine.manifest import decode_manifest, encode_manifest
from mnv2_engines.store import Store
from mnv2_engines.store.readiness import find_substitute, why_rebuild
from mnv2_engines.store.recipe import RECIPE, decode_recipe, encode_recipe
from support.fake_jetson import ORIN, FakeJetson
from support.stale import make_stale


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch, tmp_path):
    return FakeJetson(monkeypatch, tmp_path / "root")


def make_plan(store: Store, name: str, built: TensorRtFacts) -> None:
    """Turn the papers of a stored engine into those of a plan, which nobody opens here."""
    folder = store.version(name).folder
    path = folder / f"{name}.json"
    manifest = decode_manifest(path.read_bytes(), path)
    path.write_bytes(encode_manifest(msgspec.structs.replace(manifest, target="tensorrt", tensorrt=built)))
    path = folder / "source" / RECIPE
    recipe = decode_recipe(path.read_bytes(), path)
    path.write_bytes(encode_recipe(msgspec.structs.replace(recipe, target="tensorrt")))


@pytest.fixture
def both(store: Store, signs_request) -> Store:
    """Return a store with an engine for the CPU, `signs`, and a plan of the same network, `gpu`."""
    copy(store, "signs", "gpu")
    make_plan(store, "gpu", ORIN)
    return store


def copy(store: Store, name: str, other: str) -> None:
    """Store the same engine under another name."""
    version = store.version(name)
    with store.staging(other) as staging:
        for file in sorted(version.folder.rglob("*")):
            target = staging.folder / file.relative_to(version.folder)
            if file.is_dir():
                target.mkdir()
            else:
                target.with_name(file.name.replace(name, other)).write_bytes(file.read_bytes())
        path = staging.folder / f"{other}.json"
        manifest = decode_manifest(path.read_bytes(), path)
        facts = msgspec.structs.replace(manifest.engine, file=f"{other}.tflite")
        path.write_bytes(encode_manifest(msgspec.structs.replace(manifest, name=other, engine=facts)))
        staging.publish()


def test_a_plan_that_fits_need_not_be_built(jetson, both) -> None:
    assert why_rebuild(both, "gpu") is None


def test_after_an_upgrade_it_has_to_be(jetson, both) -> None:
    jetson.use_tensorrt("10.7.0")
    assert why_rebuild(both, "gpu").endswith(
        "gpu.tflite does not fit this device any more: TensorRT 10.3.0 became 10.7.0"
    )


def test_an_engine_for_the_cpu_is_never_built_in_the_background(both) -> None:
    make_stale(both, "signs")
    assert why_rebuild(both, "signs") is None


def test_the_engine_of_the_same_network_stands_in(both) -> None:
    assert find_substitute(both, "gpu") == "signs"


def test_a_stale_engine_and_one_of_another_network_do_not(both) -> None:
    make_stale(both, "signs")
    assert find_substitute(both, "gpu") is None
    path = both.version("signs").source / RECIPE
    path.write_bytes(b"{}")
    assert find_substitute(both, "gpu") is None


def test_a_plan_does_not_stand_in_for_itself(both) -> None:
    make_plan(both, "signs", ORIN)
    assert find_substitute(both, "gpu") is None
