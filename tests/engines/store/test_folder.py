"""Names, versions and locks of a store, on folders that hold a line of text: no engine is needed to lose one."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mnv2_engines.errors import (
    ContractError,
    CorruptEngineError,
    DiskError,
    StoreAccessError,
    StoreError,
    UnknownEngineError,
)
from mnv2_engines.store import Store
from mnv2_engines.store.listing import list_stored


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def put(store: Store, name: str, content: str) -> Path:
    with store.staging(name) as staging:
        (staging.folder / "engine").write_text(content)
        return staging.publish().folder


def versions(store: Store, name: str) -> list[str]:
    folder = store.folder / ".versions" / name
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def test_a_store_that_is_not_there_is_empty(store: Store) -> None:
    assert store.names() == ()
    assert store.default() is None
    assert not store.folder.exists()
    with pytest.raises(UnknownEngineError, match=r"it is empty; build it with `mnv2-edge build-engine MODEL\.onnx"):
        store.version("signs")


def test_a_published_version_is_what_its_name_means(store: Store) -> None:
    folder = put(store, "signs", "first")
    assert store.names() == ("signs",)
    assert store.version("signs").folder == folder
    assert (store.folder / "signs" / "engine").read_text() == "first"
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert list((store.folder / ".staging").iterdir()) == []


def test_a_new_version_takes_the_place_of_the_old_one_which_goes(store: Store) -> None:
    first, second = put(store, "signs", "first"), put(store, "signs", "second")
    assert first != second
    assert (store.folder / "signs" / "engine").read_text() == "second"
    assert versions(store, "signs") == [second.name]


def test_what_is_read_stays_until_nobody_reads_it(store: Store) -> None:
    first = put(store, "signs", "first")
    with store.pinned("signs") as version:
        put(store, "signs", "second")
        put(store, "signs", "third")
        assert (version.folder / "engine").read_text() == "first"
        assert store.prune() == 0
        assert versions(store, "signs") == [first.name, store.version("signs").folder.name]
    assert store.prune() == len("first")
    assert versions(store, "signs") == [store.version("signs").folder.name]


def test_a_version_that_another_process_reads_stays_even_when_its_name_goes(store: Store) -> None:
    put(store, "signs", "first")
    hold = (
        "import sys, pathlib; from mnv2_engines.store import Store\n"
        "with Store(pathlib.Path(sys.argv[1])).pinned('signs') as version:\n"
        "    print(version.folder, flush=True); sys.stdin.read()\n"
        "    print((version.folder / 'engine').read_text())"
    )
    command = [sys.executable, "-c", hold, str(store.folder.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        folder = Path(reader.stdout.readline().strip())
        store.remove("signs")
        assert store.names() == ()
        assert folder.is_dir()
        out, _ = reader.communicate("")
    assert out == "first\n"
    store.prune()
    assert not folder.exists()


def test_staging_that_is_not_published_leaves_nothing(store: Store) -> None:
    put(store, "signs", "first")
    with store.staging("signs") as staging:
        (staging.folder / "engine").write_text("second")
    assert (store.folder / "signs" / "engine").read_text() == "first"
    assert list((store.folder / ".staging").iterdir()) == []


def test_what_a_killed_builder_left_goes_with_the_next_one_but_not_what_a_living_one_makes(store: Store) -> None:
    left = store.folder / ".staging" / "signs-dead"
    (left / "version").mkdir(parents=True)
    (store.folder / ".link-dead").symlink_to("nowhere")
    with store.staging("signs") as living:
        assert not left.exists()
        assert not (store.folder / ".link-dead").is_symlink()
        put(store, "signs", "other")
        assert living.folder.is_dir()


def test_a_rejected_version_is_kept_aside_until_the_next_one_or_a_prune(store: Store) -> None:
    for content in ("first", "second"):
        with store.staging("signs") as staging:
            (staging.folder / "engine").write_text(content)
            folder = staging.put_aside()
    assert (folder / "engine").read_text() == "second"
    assert store.names() == ()
    assert store.prune() == len("second")
    assert not folder.exists()


def test_the_first_engine_is_the_default_until_another_is_chosen_or_it_is_removed(store: Store) -> None:
    put(store, "signs", "a")
    put(store, "birds", "b")
    assert store.default() == "signs"
    store.set_default("birds")
    assert store.default() == "birds"
    store.remove("birds")
    assert store.default() is None
    assert store.names() == ("signs",)
    with pytest.raises(UnknownEngineError, match="did you mean signs"):
        store.set_default("sings")


def test_numbers_go_on_and_a_place_is_never_used_twice(store: Store) -> None:
    folders = [put(store, "signs", "x") for _ in range(3)]
    store.remove("signs")
    folders.append(put(store, "signs", "x"))
    assert [folder.name[:4] for folder in folders] == ["0001", "0002", "0003", "0001"]
    assert len(set(folders)) == 4


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".versions", "a/b", "a b", "-a", "a\n", "x" * 65, "a.tflite", "a.ONNX"]
)
def test_a_name_that_could_be_something_else_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ContractError, match="cannot name an engine"), store.staging(name):
        pass
    with pytest.raises(ContractError):
        store.version(name)
    assert not store.folder.exists()


def test_a_folder_that_somebody_else_made_is_not_replaced(store: Store) -> None:
    put(store, "birds", "b")
    (store.folder / "signs").mkdir()
    with pytest.raises(StoreError, match="is in the way"):
        put(store, "signs", "x")
    assert store.names() == ("birds",)
    with pytest.raises(UnknownEngineError, match="it holds birds"):
        store.version("signs")
    for stray in (".staging/notes", ".versions/notes", ".versions/birds/notes"):
        (store.folder / stray).write_text("")
    put(store, "birds", "c")
    store.prune()
    assert (store.folder / ".versions" / "birds" / "notes").exists()


def test_a_name_whose_version_was_deleted_by_hand_says_so(store: Store) -> None:
    folder = put(store, "signs", "x")
    (folder / "engine").unlink()
    folder.rmdir()
    with pytest.raises(CorruptEngineError, match="leads to nothing"), store.pinned("signs"):
        pass


@pytest.mark.parametrize("name", ["a name", "net.onnx", "-x", "ü"])
def test_a_link_that_nobody_can_name_is_no_engine(store: Store, name: str) -> None:
    put(store, "signs", "x")
    (store.folder / name).symlink_to("signs")
    assert [entry.name for entry in list_stored(store)] == ["signs"]


@pytest.mark.parametrize("target", ["odd", "note", "/dev/null", ".."])
def test_a_link_that_leads_to_no_version_hides_no_other_and_can_be_removed(store: Store, target: str) -> None:
    put(store, "signs", "x")
    (store.folder / "note").write_text("")
    (store.folder / "odd").symlink_to(target)
    assert {entry.name: entry.presence for entry in list_stored(store)} == {"odd": "damaged", "signs": "damaged"}
    store.remove("odd")
    assert store.names() == ("signs",)
    assert (store.folder / "note").exists()


def test_a_default_that_is_no_link_is_none_and_not_replaced(store: Store) -> None:
    put(store, "signs", "x")
    (store.folder / ".default").unlink()
    (store.folder / ".default").write_text("signs")
    assert store.default() is None
    with pytest.raises(StoreError, match=r"\.default is in the way"):
        store.set_default("signs")


def test_pruning_is_not_disturbed_by_builders(store: Store) -> None:
    put(store, "signs", "x")
    done = threading.Event()

    def build() -> None:
        while not done.is_set():
            with store.staging("birds") as staging:
                files = [staging.folder / str(index) for index in range(50)]
                for file in files:
                    file.write_text("x")
                for file in files:
                    file.unlink()

    builder = threading.Thread(target=build)
    builder.start()
    try:
        for _ in range(100):
            store.prune()
    finally:
        done.set()
        builder.join()


def test_readers_and_builders_at_once_never_see_half_of_an_engine(store: Store) -> None:
    put(store, "signs", "0" * 1000)
    torn: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with store.pinned("signs") as version:
                content = (version.folder / "engine").read_text()
                if len(content) != 1000 or len(set(content)) != 1:
                    torn.append(content)

    def build(digit: str) -> None:
        for _ in range(30):
            put(store, "signs", digit * 1000)

    readers = [threading.Thread(target=read) for _ in range(2)]
    builders = [threading.Thread(target=build, args=(digit,)) for digit in "12"]
    for thread in (*readers, *builders):
        thread.start()
    for thread in builders:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert torn == []
    store.prune()
    assert len(versions(store, "signs")) == 1


def test_a_full_disk_changes_nothing(store: Store, monkeypatch) -> None:
    put(store, "signs", "first")

    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("mnv2_engines.files.durable.os.fsync", full)
    with pytest.raises(DiskError, match=r"is full.*nothing was changed.*engines prune"):
        put(store, "signs", "second")
    monkeypatch.undo()
    assert (store.folder / "signs" / "engine").read_text() == "first"


def test_a_store_of_somebody_else_and_a_file_in_its_place(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected a folder at"):
        Store(tmp_path / "file").names()

    def forbid(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, os.strerror(13), "engines")

    monkeypatch.setattr("os.scandir", forbid)
    with pytest.raises(StoreAccessError, match="closed to this user"):
        Store(tmp_path).names()
