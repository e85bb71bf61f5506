"""`mnv2-edge engines`: every command on a store with a real engine in it, and on stores that are not well."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.demo import render
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.store import Store
from mnv2_engines.store.build import build_stored
from support.command import call, errors, json_lines
from support.stale import BUILT_WITH, make_stale


class Said(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Build the demo network into a store; tests take copies."""
    home = tmp_path_factory.mktemp("built")
    pictures = [fit_picture(render(5, 40 * scene), "RGB", 96, 96, Preprocess())[0] for scene in range(10)]
    request = BuildRequest(
        model=root / "engines" / "mnv2_engines" / "demo" / "demo.onnx",
        output=Path("nowhere"),
        preprocess=Preprocess(),
        calibration=Pictures("scenes", pictures[:8]),
        validation=Pictures("others", pictures[8:]),
        name="signs",
        task="classify",
        labels=tuple(f"sign {index}" for index in range(12)),
    )
    build_stored(Store(home), request)
    build_stored(Store(home), dataclasses.replace(request, name="roads"))
    return home


@pytest.fixture
def store(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    home = shutil.copytree(built, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("MNV2_EDGE_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Store(home)


@pytest.fixture
def engines(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs `mnv2-edge engines ARGS` in this process."""

    def run(*args: str | Path) -> Said:
        status = program.main(["engines", *map(str, args)])
        return Said(status, *capsys.readouterr())

    return run


def damage(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def test_list_shows_what_there_is(store: Store, engines) -> None:
    said = engines("list")
    assert said.status == 0
    heads, *rows = (line.split() for line in said.out.splitlines())
    assert heads == ["NAME", "STATE", "ENGINE", "TASK", "BUILT", "ID"]
    assert rows[0][:5] == ["roads", "built", "litert", "int8", "classify"]
    assert rows[1][:6] == ["*", "signs", "built", "litert", "int8", "classify"]
    told = json.loads(engines("list", "--json").out)
    assert [(entry["name"], entry["default"], entry["state"]) for entry in told] == [
        ("roads", False, "built"),
        ("signs", True, "built"),
    ]
    assert told[1]["id"].startswith("signs@")


def test_an_empty_store_lists_nothing(engines, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path))
    said = engines("list")
    assert (said.status, said.out) == (0, "")
    assert "mnv2-edge build-engine MODEL.onnx" in said.err
    assert json.loads(engines("list", "--json").out) == []
    assert list(tmp_path.iterdir()) == []


def test_show_tells_all(store: Store, engines) -> None:
    said = engines("show", "signs")
    assert said.status == 0
    assert said.out.startswith("signs: signs@")
    for fact in ("model        demo.onnx", "12 labels", "8 pictures of 96 x 96 kept, from scenes", "on XNNPACK"):
        assert fact in said.out
    told = json.loads(engines("show", "signs", "--json").out)
    assert told["folder"] == str(store.version("signs").folder)
    assert told["manifest"]["engine"]["file"] == "signs.tflite"
    assert told["recipe"]["model"]["file"] == "demo.onnx"
    assert engines("show", "sings").status == 65


def test_verify_says_when_there_is_nothing(store: Store, engines) -> None:
    for name in store.names():
        store.remove(name)
    done = engines("verify")
    assert (done.status, done.out) == (0, "")
    assert "holds no engine: make one with mnv2-edge build-engine" in done.err


def test_verify_ends_with_1_when_one_fails(store: Store, engines) -> None:
    assert engines("verify").status == 0
    damage(store.version("signs").engine_path())
    said = engines("verify")
    assert said.status == 1
    assert [line.split()[:2] for line in said.out.splitlines()[1:]] == [["roads", "ok"], ["signs", "damaged"]]
    assert "mnv2-edge engines rebuild signs" in said.out
    assert engines("verify", "roads").status == 0
    told = json.loads(engines("verify", "--json", "signs").out)
    assert (told[0]["name"], told[0]["state"]) == ("signs", "damaged")
    damage(store.version("signs").source / "demo.onnx")
    assert json.loads(engines("verify", "--json", "signs").out)[0]["state"] == "failed"


def test_rebuild_builds_one_or_those_that_do_not_pass(store: Store, engines) -> None:
    before = {name: store.version(name) for name in store.names()}
    make_stale(store, "signs")
    said = engines("rebuild", "--stale")
    assert said.status == 0
    assert "signs is stale: " in said.err
    assert BUILT_WITH in said.err
    assert "run it: mnv2-edge run --model signs" in said.out
    assert store.version("roads") == before["roads"]
    assert store.version("signs") != before["signs"]
    said = engines("rebuild", "--stale")
    assert (said.status, said.out) == (0, "")
    assert "nothing to build" in said.err
    damage(store.version("roads").source / "demo.onnx")
    said = engines("rebuild", "--stale")
    assert said.status == 1
    assert "roads cannot be built again" in errors(said.err)[0]
    assert engines("rebuild").status == 2
    assert engines("rebuild", "--stale", "signs").status == 2


def test_rebuild_goes_on_behind_one_that_fails(store: Store, engines) -> None:
    before = store.version("signs")
    damage(store.version("roads").source / "recipe.json")
    said = engines("rebuild", "roads", "signs")
    assert said.status == 65
    assert "recipe" in errors(said.err)[0]
    assert store.version("signs") != before


def test_an_engine_travels_to_another_store(store: Store, engines, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "signs.mnv2"
    assert engines("export", "signs", file).status == 0
    again = engines("export", "signs", file)
    assert again.status == 2
    assert "--force" in errors(again.err)[0]
    assert engines("export", "--force", "signs", file).status == 0
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path / "other"))
    said = engines("import", file)
    assert said.status == 0
    assert "run it: mnv2-edge run --model signs" in said.out
    assert engines("verify").status == 0
    file.write_bytes(file.read_bytes()[:5000])
    said = engines("import", file)
    assert said.status == 65
    assert "cut short" in errors(said.err)[0]


def test_an_engine_that_has_to_be_built_here_says_so(store: Store, engines, tmp_path: Path) -> None:
    make_stale(store, "signs")
    engines("export", "signs", tmp_path / "signs.mnv2")
    store.remove("signs")
    said = engines("import", tmp_path / "signs.mnv2")
    assert said.status == 0
    assert "mnv2-edge engines rebuild signs" in said.out
    assert [entry["state"] for entry in json.loads(engines("list", "--json").out)] == ["built", "unbuilt"]
    assert engines("rebuild", "--stale").status == 0
    assert [entry["state"] for entry in json.loads(engines("list", "--json").out)] == ["built", "built"]


def test_run_says_what_to_type_for_a_stale_engine_and_can_do_it_by_itself(store: Store, tmp_path: Path) -> None:
    make_stale(store, "signs")
    run = ("run", "--model", "signs", "--camera", "demo?frames=3", "--format", "jsonl")
    told = call(*run, home=tmp_path, MNV2_EDGE_HOME=str(store.folder.parent))
    assert told.returncode == 65
    assert "`mnv2-edge engines rebuild signs`" in errors(told.stderr)[0]
    done = call(*run, "--build", "stale", home=tmp_path, MNV2_EDGE_HOME=str(store.folder.parent))
    assert done.returncode == 0, done.stderr
    assert "has to be built on this device first" in done.stderr
    assert json_lines(done.stdout)[0]["engine"].startswith("signs@")


def test_default_and_remove(store: Store, engines) -> None:
    assert engines("default").out == "signs\n"
    assert engines("default", "roads").out == "roads\n"
    assert engines("default", "rods").status == 65
    assert engines("remove", "roads", "sings").status == 65
    assert store.names() == ("roads", "signs")
    assert engines("remove", "roads").status == 0
    assert store.names() == ("signs",)
    assert engines("default").out == "none\n"


def test_prune_tells_what_it_freed(store: Store, engines) -> None:
    with store.pinned("signs"):
        engines("rebuild", "signs")
        assert engines("prune").out == "0.0 MB freed\n"
    freed = engines("prune").out
    assert 1.0 < float(freed.split()[0]) < 10.0


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [
        (28, 75, "is full"),
        (13, 77, "closed to this user"),
        (30, 75, "the disk is read-only"),
        (5, 75, "the disk fails"),
        (36, 69, "cannot be used"),
    ],
)
def test_a_disk_that_is_not_well_is_one_line_and_a_status(
    store: Store, engines, tmp_path: Path, monkeypatch, number: int, status: int, says: str
) -> None:
    engines("export", "signs", tmp_path / "signs.mnv2")
    before = store.version("signs")

    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("mnv2_engines.files.durable.os.fsync", fail)
    for arguments in (("import", tmp_path / "signs.mnv2"), ("rebuild", "signs"), ("default", "roads")):
        said = engines(*arguments)
        assert said.status == status
        (line,) = errors(said.err)
        assert says in line
        assert "Traceback" not in said.err
    monkeypatch.undo()
    assert store.version("signs") == before


def test_the_example_in_the_guide_runs(root: Path, store: Store) -> None:
    guide = (root / "docs" / "engines.md").read_text(encoding="utf-8")
    program = guide.partition("```python\n")[2].partition("```")[0]
    folder = store.folder.parent.parent
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split("@")[0] for line in done.stdout.splitlines()] == ["roads roads", "signs signs"]


def test_help_needs_no_numpy() -> None:
    code = "import sys; import mnv2_edge.cli.engines; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
