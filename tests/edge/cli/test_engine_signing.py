"""Who made an engine: keys, signatures and `require_signed`, as they are typed."""

import os
import shutil
from pathlib import Path

import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.demo import render
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.proof.golden import test_card as draw_card
from mnv2_engines.store import Store
from mnv2_engines.store.archive import export_engine
from mnv2_engines.store.build import build_stored
from mnv2_engines.store.readiness import verify_stored
from mnv2_engines.store.version import read_stored_manifest
from support.command import call, errors, json_lines

pytest.importorskip("minisign", reason="py-minisign is not installed: pip install 'mnv2-edge[sign]'")

CONFIG = """version: 1
cameras: [{{uri: "demo?frames=3"}}]
engine: {{model: signs, require_signed: true, trusted_keys: {keys}}}
sinks: [{{stdout: {{format: jsonl, records: all}}}}]
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    home = tmp_path_factory.mktemp("built")
    pictures = [fit_picture(render(5, 40 * scene), "RGB", 96, 96, Preprocess())[0] for scene in range(10)]
    request = BuildRequest(
        model=root / "engines" / "mnv2_engines" / "demo" / "demo.onnx",
        output=Path("nowhere"),
        preprocess=Preprocess(),
        calibration=Pictures("scenes", pictures[:8]),
        validation=Pictures("others", pictures[8:]),
        name="signs",
        target="litert",
        task="classify",
        labels=tuple(f"sign {index}" for index in range(12)),
        private=True,
    )
    build_stored(Store(home), request)
    return home


@pytest.fixture
def home(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = shutil.copytree(built, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("MNV2_EDGE_HOME", str(copy))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return copy


@pytest.fixture
def engines(capsys: pytest.CaptureFixture[str]):
    def run(*args: str | Path) -> tuple[int, str, str]:
        return (program.main(["engines", *map(str, args)]), *capsys.readouterr())

    return run


@pytest.fixture
def key(tmp_path: Path, engines) -> Path:
    file = tmp_path / "my.key"
    status, out, _ = engines("keygen", file, "--no-password")
    assert (status, "my.key.pub" in out) == (0, True)
    return file


def test_an_engine_travels_signed(home: Path, engines, key: Path, tmp_path: Path, monkeypatch) -> None:
    file, public = tmp_path / "signs.mnv2", tmp_path / "my.key.pub"
    status, out, err = engines("export", "signs", file)
    assert (status, err.count("is not signed")) == (0, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    status, out, _ = engines("export", "signs", file, "--force", "--sign", key)
    assert (status, "signs.mnv2.minisig: signed by the key" in out) == (0, True)
    monkeypatch.setenv("MNV2_EDGE_HOME", str(tmp_path / "there"))
    status, out, _ = engines("import", file, "--trust", public)
    assert (status, "is signed by the key" in out) == (0, True)
    status, _, err = engines("import", file)
    assert (status, err.count("nothing proves who made it")) == (0, 1)
    engines("keygen", tmp_path / "other.key", "--no-password")
    status, _, err = engines("import", file, "--trust", tmp_path / "other.key.pub")
    assert (status, "which is not in" in errors(err)[0]) == (65, True)


def test_a_key_is_never_written_over_and_a_password_never_typed_in_the_open(engines, key: Path, tmp_path: Path) -> None:
    before = key.read_bytes()
    status, _, err = engines("keygen", key, "--no-password")
    assert (status, key.read_bytes()) == (2, before)
    status, _, err = engines("keygen", tmp_path / "second.key")
    assert (status, "MNV2_EDGE_SIGNING_PASSWORD" in err) == (2, True)
    status, _, err = engines("keygen", tmp_path / "none" / "key", "--no-password")
    assert (status, len(errors(err))) == (2, 1)


def test_a_password_from_the_environment_opens_a_key(home: Path, engines, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MNV2_EDGE_SIGNING_PASSWORD", "geheim-wort")
    assert engines("keygen", tmp_path / "locked")[0] == 0
    assert engines("sign", "signs", tmp_path / "locked")[0] == 0
    monkeypatch.setenv("MNV2_EDGE_SIGNING_PASSWORD", "falsches-wort")
    status, _, err = engines("sign", "signs", tmp_path / "locked")
    assert (status, "wrong password" in err, "falsches" in err) == (65, True, False)


def test_a_run_refuses_what_nobody_trusted_has_signed(home: Path, engines, key: Path, tmp_path: Path) -> None:
    keys, config = tmp_path / "my.key.pub", tmp_path / "config.yaml"
    config.write_text(CONFIG.format(keys=keys))

    def run(*more: str | Path):
        return call("run", "--config", config, *more, home=tmp_path, MNV2_EDGE_HOME=str(home))

    told = run()
    assert told.returncode == 65
    assert "engines sign signs KEY" in errors(told.stderr)[0]
    assert engines("sign", "signs", key)[0] == 0
    told = run()
    assert told.returncode == 0, told.stderr
    assert len([one for one in json_lines(told.stdout) if one.get("type", "result") == "result"]) >= 1
    path = Store(home).version("signs").engine_path()
    told = run("--model", path)
    assert told.returncode == 65
    assert "is not an engine of the store" in errors(told.stderr)[0]
    (path.parent / "engine.minisig").unlink()
    assert run().returncode == 65
    assert engines("sign", "signs", key)[0] == 0
    keys.write_text("# taken out\n")
    told = run()
    assert told.returncode == 65
    assert "holds no key" in errors(told.stderr)[0]


@pytest.mark.parametrize(
    "engine",
    [
        "{require_signed: true}",
        "{trusted_keys: keys.pub}",
        "{require_signed: true, trusted_keys: keys.pub, build: stale}",
    ],
)
def test_settings_that_do_not_go_together_are_told(tmp_path: Path, engine: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"version: 1\nengine: {engine}\n")
    assert call("config", "check", config, home=tmp_path).returncode == 78


def test_a_private_engine_holds_no_picture_and_is_proven_all_the_same(built: Path, tmp_path: Path) -> None:
    store = Store(built)
    version = store.version("signs")
    assert not [name for _, _, files in os.walk(version.folder) for name in files if name.endswith(".png")]
    golden = read_stored_manifest(version.folder, "signs").golden
    card = draw_card(golden.height, golden.width)
    assert golden.picture
    assert verify_stored(store, "signs").state == "ok"
    # A test card grows by even steps from the left to the right; no photograph does.
    import numpy as np

    kept = np.frombuffer(golden.picture, golden.dtype).reshape(golden.height, golden.width, 3).astype(int)
    assert np.corrcoef(kept[..., 1].ravel(), card[..., 1].astype(int).ravel())[0, 1] > 0.99
    export_engine(store, "signs", tmp_path / "signs.mnv2")
    assert b"\x89PNG" not in (tmp_path / "signs.mnv2").read_bytes()
