import contextlib
from pathlib import Path

import pytest

from mnv2_engines.errors import UnknownEngineError
from mnv2_engines.store import Store
from mnv2_engines.store.reference import DefaultEngine, choose_stored
from support.engines import write_engine


@pytest.fixture
def store(tmp_path: Path, monkeypatch) -> Store:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "home")
    for name in ("signs", "birds"):
        with store.staging(name) as staging:
            staging.publish()
    return store


@pytest.mark.parametrize("file", ["signs.tflite", "./signs", "/signs", "signs/", "net.PLAN", "net.onnx"])
def test_what_looks_like_a_file_is_one(store: Store, file: str) -> None:
    assert choose_stored(store, file) is None


def test_a_word_is_a_name_first_and_a_file_that_is_there_second(store: Store, tmp_path: Path) -> None:
    (tmp_path / "signs").write_text("a file")
    (tmp_path / "other").write_text("a file")
    assert choose_stored(store, "signs") == "signs"
    assert choose_stored(store, "other") is None
    with pytest.raises(UnknownEngineError, match=r"there is no engine bords in .*: did you mean birds"):
        choose_stored(store, "bords")


def test_nothing_said_is_the_default(store: Store) -> None:
    assert choose_stored(store, None) == "signs"
    store.remove("signs")
    with pytest.raises(UnknownEngineError, match=r"none of the engines in .* is the default.*it holds birds"):
        choose_stored(store, None)
    store.remove("birds")
    assert choose_stored(store, None) is None


def test_another_default_is_another_version(tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    for name in ("signs", "birds"):
        with store.staging(name) as staging:
            write_engine(staging.folder / f"{name}.tflite", name)
            staging.publish()
    with contextlib.closing(DefaultEngine(store)) as reference:
        before = reference.version()
        assert ".versions/signs/" in str(reference.read().path)
        assert reference.version() == before
        store.set_default("birds")
        assert reference.version() != before
        assert ".versions/birds/" in str(reference.read().path)
        for name in ("birds", "signs"):
            store.remove(name)
        assert reference.version() == "none"
        with pytest.raises(UnknownEngineError, match="build-engine"):
            reference.read()
