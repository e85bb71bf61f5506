"""A pull from a server and from mirrors: what is checked, what is installed, and what is refused."""

import hashlib
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import msgspec
import pytest

from mnv2_engines.catalogue import (
    CatalogueModel,
    PullOptions,
    RemoteFile,
    StatedPreprocess,
    fill_mirror,
    installed_model,
    parse_mirror,
    pull_model,
    read_package_catalogue,
    read_pins,
    read_pulled,
)
from mnv2_engines.engine.sidecar import read_sidecar
from mnv2_engines.errors import CatalogueError, DiskError, DownloadError, LabelsError, ModelError
from mnv2_engines.labels import read_labels
from support.networks import MobileNetV2, state_dict
from support.torch_format import save_zip

TFLITE = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 400
OTHER = TFLITE + b"changed"
LABELS = b"cat\ndog\n"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def entry(server):
    """Return what makes an entry of a .tflite with labels, of which as much is known as is said."""
    server.files.update({"net.tflite": TFLITE, "labels.txt": LABELS})

    def entry(sha256: str | None = None, **more) -> CatalogueModel:
        files = (
            RemoteFile(name="net.tflite", urls=(f"{server.url}/net.tflite",), sha256=sha256),
            RemoteFile(name="labels.txt", urls=(f"{server.url}/labels.txt",), sha256=digest(LABELS), size=len(LABELS)),
        )
        stated = StatedPreprocess(color="BGR", resize="center-crop:0.875")
        given = {"labels": "labels.txt", "classes": 2, "preprocess": stated, "files": files, **more}
        return CatalogueModel(description="a net", licence="mine", **given)

    return entry


@pytest.fixture
def pull(home, retries):
    def pull(entry, name="net", **options):
        return pull_model(name, entry, home, PullOptions(retries=retries, **options))

    return pull


def left_over(home) -> list[Path]:
    return [path for path in (home.root / ".parts").rglob("*") if path.is_file()]


def test_what_is_installed_needs_no_flags(pull, entry, home):
    pulled = pull(entry(digest(TFLITE)))
    assert pulled.fresh
    assert pulled.path == home.folder("net") / "net.tflite" == installed_model("net", entry(), home)
    assert pulled.path.read_bytes() == TFLITE
    beside = read_sidecar(pulled.path)
    assert (beside.task, beside.color, str(beside.resize), beside.mean) == (
        "classify",
        "BGR",
        "center-crop:0.875",
        None,
    )
    assert read_labels(beside.labels_file) == ("cat", "dog")
    assert left_over(home) == []


def test_where_it_came_from_is_recorded(pull, entry, home, server):
    pull(entry(digest(TFLITE)))
    record = read_pulled(home.folder("net"))
    assert (record.sha256, record.size, record.hash_was) == (digest(TFLITE), len(TFLITE), "whole")
    assert record.source == f"{server.url}/net.tflite"
    assert record.pulled[:2] == "20"


def test_what_is_there_and_whole_is_not_fetched_again(pull, entry, server):
    pull(entry(digest(TFLITE)))
    server.requests.clear()
    assert not pull(entry(digest(TFLITE))).fresh
    assert server.requests == []


@pytest.mark.parametrize("content", [b"\0", b'{"model": "\xff"}', b'{"a":' * 100_000])
@pytest.mark.parametrize("damage", ["net.tflite", "pulled.json"])
def test_what_was_damaged_is_fetched_again(pull, entry, home, damage, content):
    path = pull(entry(digest(TFLITE))).path
    path.with_name(damage).write_bytes(content)
    assert pull(entry(digest(TFLITE))).fresh
    assert path.read_bytes() == TFLITE


@pytest.mark.parametrize("lost", ["net.tflite", "pulled.json", "net.yaml", "labels.txt"])
def test_what_was_removed_comes_back(pull, entry, lost):
    path = pull(entry(digest(TFLITE))).path
    path.with_name(lost).unlink()
    assert pull(entry(digest(TFLITE))).fresh
    assert path.with_name(lost).exists()


def test_weights_become_onnx_with_the_catalogues_preprocess(pull, server, home, tmp_path):
    weights = save_zip(tmp_path / "w.pth", state_dict(MobileNetV2(0.1, (32, 32), 4))).read_bytes()
    server.files["w-12345678.pth"] = weights
    file = RemoteFile(name="w.pth", urls=(f"{server.url}/w-12345678.pth",), sha256=digest(weights)[:8])
    stated = StatedPreprocess(
        color="RGB", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), resize="stretch"
    )
    entry = CatalogueModel(description="", licence="", classes=4, preprocess=stated, files=(file,))
    pulled = pull(entry)
    assert pulled.path == home.folder("net") / "net.onnx"
    assert read_sidecar(pulled.path).mean == (123.675, 116.28, 103.53)
    assert str(read_sidecar(pulled.path).resize) == "stretch"
    assert sorted(path.name for path in home.folder("net").iterdir()) == ["net.onnx", "net.yaml", "pulled.json"]
    assert not pull(entry).fresh


class TestHashes:
    def test_wrong_bytes_are_not_installed(self, pull, entry, server, home):
        server.files["net.tflite"] = OTHER
        with pytest.raises(ModelError, match=f"starts with {digest(OTHER)[:12]}, expected {digest(TFLITE)[:12]}"):
            pull(entry(digest(TFLITE)))
        assert installed_model("net", entry(), home) is None
        assert left_over(home) == []

    def test_wrong_bytes_leave_what_was_there(self, pull, entry, server, home):
        path = pull(entry(digest(TFLITE))).path
        with pytest.raises(ModelError):
            pull(entry(digest(OTHER)))
        assert path.read_bytes() == TFLITE
        assert not pull(entry(digest(TFLITE))).fresh

    def test_the_first_digits_are_checked_and_the_rest_pinned(self, pull, entry, server, home):
        assert pull(entry(digest(TFLITE)[:8])).record.hash_was == "start"
        assert read_pins(home.pins)["net/net.tflite"].sha256 == digest(TFLITE)
        with pytest.raises(ModelError, match="as it was published"):
            pull(entry("00000000"))

    def test_without_any_the_first_one_seen_is_trusted_and_another_refused(self, pull, entry, server, home):
        path = pull(entry()).path
        pin = read_pins(home.pins)["net/net.tflite"]
        assert (pin.sha256, pin.size, pin.source) == (digest(TFLITE), len(TFLITE), f"{server.url}/net.tflite")
        server.files["net.tflite"] = OTHER
        path.unlink()
        with pytest.raises(ModelError, match=f"models pull net --accept {digest(OTHER)}`") as caught:
            pull(entry())
        assert f"first seen on {pin.seen[:10]}" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert installed_model("net", entry(), home) is None

    def test_the_user_may_accept_another(self, pull, entry, server, home):
        pull(entry())
        server.files["net.tflite"] = OTHER
        assert pull(entry(), accept=digest(OTHER)).path.read_bytes() == OTHER
        assert read_pins(home.pins)["net/net.tflite"].sha256 == digest(OTHER)
        server.files["net.tflite"] = TFLITE
        assert not pull(entry()).fresh

    def test_but_only_the_one_that_was_named(self, pull, entry, server, home):
        pull(entry())
        server.files["net.tflite"] = OTHER + b"again"
        with pytest.raises(ModelError, match="--accept names another"):
            pull(entry(), accept=digest(OTHER))
        assert read_pins(home.pins)["net/net.tflite"].sha256 == digest(TFLITE)

    def test_a_known_hash_cannot_be_overruled(self, pull, entry, server):
        server.files["net.tflite"] = OTHER
        with pytest.raises(ModelError, match="as it was published"):
            pull(entry(digest(TFLITE)), accept=digest(OTHER))

    def test_what_is_no_model_is_not_pinned(self, pull, entry, server, home):
        server.files["net.tflite"] = b"Under construction"
        with pytest.raises(ModelError, match="is not a TFLite file"):
            pull(entry())
        assert read_pins(home.pins) == {}
        assert left_over(home) == []

    def test_it_is_pinned_before_it_is_installed(self, pull, entry, home, monkeypatch):
        """A power cut between the two must not leave a model of which nobody remembers the hash."""

        def power_cut(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("mnv2_engines.catalogue.pull.install_model", power_cut)
        with pytest.raises(KeyboardInterrupt):
            pull(entry())
        assert read_pins(home.pins)["net/net.tflite"].sha256 == digest(TFLITE)
        assert installed_model("net", entry(), home) is None

    def test_labels_that_do_not_fit_are_refused(self, pull, entry):
        with pytest.raises(LabelsError, match=r"labels\.txt has 2 labels, the network has 3 classes"):
            pull(entry(digest(TFLITE), classes=3))

    @pytest.mark.parametrize("content", [b"{", b'{"files": {"\xff": 1}}', b'{"a":' * 100_000])
    def test_damaged_pins_do_not_trust_anything(self, pull, entry, home, content):
        pull(entry())
        home.pins.write_bytes(content)
        with pytest.raises(CatalogueError, match="remove it to trust whatever"):
            pull(entry())

    def test_a_mirror_is_held_to_the_same_hash(self, pull, entry, tmp_path):
        mirror = tmp_path / "mirror"
        mirror.mkdir()
        (mirror / "net.tflite").write_bytes(OTHER)
        with pytest.raises(ModelError, match=f"{mirror}/net.tflite is not net.tflite as it was published"):
            pull(entry(digest(TFLITE)), mirror=mirror)
        assert (mirror / "net.tflite").read_bytes() == OTHER


class TestPlaces:
    def test_the_next_address_is_tried(self, pull, entry, server, caplog):
        served = entry(digest(TFLITE))
        first = f"{server.url}/gone/net.tflite"
        second = f"{server.url}/wrong/net.tflite"
        server.files["wrong/net.tflite"] = OTHER
        model = msgspec.structs.replace(served.files[0], urls=(first, second, *served.files[0].urls))
        pulled = pull(msgspec.structs.replace(served, files=(model, served.files[1])))
        assert pulled.record.source == f"{server.url}/net.tflite"
        assert [record.levelname for record in caplog.records].count("WARNING") == 2

    def test_a_mirror_is_a_folder(self, pull, entry, tmp_path, server):
        mirror = tmp_path / "mirror"
        mirror.mkdir()
        (mirror / "net.tflite").write_bytes(TFLITE)
        (mirror / "labels.txt").write_bytes(LABELS)
        assert pull(entry(digest(TFLITE)), mirror=mirror).record.source == str(mirror / "net.tflite")
        assert server.requests == []

    def test_or_an_address(self, pull, entry, server):
        server.files = {"mirror/net.tflite": TFLITE, "mirror/labels.txt": LABELS}
        assert pull(entry(digest(TFLITE)), mirror=parse_mirror(f"{server.url}/mirror/")).fresh

    @pytest.mark.parametrize("mirror", [Path("/no/such/folder"), Path("/etc/passwd")])
    def test_a_mirror_without_the_file_says_so(self, pull, entry, mirror):
        with pytest.raises(DownloadError, match=r"net\.tflite"):
            pull(entry(digest(TFLITE)), mirror=mirror)

    def test_a_disk_that_fills_up_while_a_mirror_is_copied(self, pull, entry, tmp_path, small_disk):
        (tmp_path / "net.tflite").write_bytes(TFLITE)
        with small_disk(1000), pytest.raises(DiskError, match=r"net\.tflite cannot be written"):
            pull(entry(digest(TFLITE)), mirror=tmp_path)

    def test_a_mirror_is_filled_from_the_network(self, entry, home, retries, tmp_path, pull):
        mirror = tmp_path / "mirror"
        mirror.mkdir()
        fill_mirror("net", entry(digest(TFLITE)), home, mirror, PullOptions(retries=retries))
        assert sorted(path.name for path in mirror.iterdir()) == ["labels.txt", "net.tflite"]
        assert not home.folder("net").exists()
        assert pull(entry(digest(TFLITE)), mirror=mirror).fresh

    def test_what_the_package_holds_is_there(self, pull, server):
        demo = read_package_catalogue().models["demo"]
        assert pull(demo, "demo").path.name == "demo.tflite"

    def test_real_models_come_from_a_real_mirror(self, pull, shared, home):
        models = read_package_catalogue().models
        coral = pull(models["coral-mobilenet-v2"], "coral-mobilenet-v2", mirror=shared / "models")
        labels = read_labels(read_sidecar(coral.path).labels_file)
        assert (labels[0], labels[1], len(labels)) == ("background", "tench", 1001)
        deeplab = pull(models["coral-deeplab"], "coral-deeplab", mirror=shared / "models")
        assert read_sidecar(deeplab.path).task == "segment"
        with pytest.raises(DownloadError, match=r"has no file mobilenet_v2_1.0_224_inat_bird_quant\.tflite"):
            pull(models["coral-inat-bird"], "coral-inat-bird", mirror=shared / "models")


class TestInterruptions:
    def test_a_pull_that_broke_off_goes_on_with_the_next(self, pull, entry, server, home):
        server.script = [server.broken_after(50_000), *[server.status(500)] * 3]
        with pytest.raises(DownloadError, match="goes on"):
            pull(entry(digest(TFLITE)))
        assert installed_model("net", entry(), home) is None
        server.requests.clear()
        assert pull(entry(digest(TFLITE))).path.read_bytes() == TFLITE
        assert server.requests[0].range == "bytes=50000-"

    def test_a_part_that_rotted_meanwhile_is_fetched_anew(self, pull, entry, server, home):
        server.script = [server.broken_after(50_000), *[server.status(500)] * 3]
        with pytest.raises(DownloadError):
            pull(entry(digest(TFLITE)))
        part = home.parts("net") / "net.tflite"
        part.write_bytes(bytes(50_000))
        assert pull(entry(digest(TFLITE))).path.read_bytes() == TFLITE

    def test_two_at_once_fetch_it_once(self, entry, server, home, retries):
        waiting, results = threading.Event(), []
        options = PullOptions(retries=retries, waiting=waiting.set)
        gate = threading.Event()

        def hold(handler):
            gate.wait(30)
            server.content(TFLITE)(handler)

        server.script = [hold]

        def run():
            results.append(pull_model("net", entry(digest(TFLITE)), home, options))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert waiting.wait(30)
        gate.set()
        for thread in threads:
            thread.join(30)
        assert sorted(pulled.fresh for pulled in results) == [False, True]
        assert [asked.path for asked in server.requests].count("/net.tflite") == 1

    def test_a_kill_at_any_step_leaves_nothing_half_installed(self, entry, server, home, pull, tmp_path):
        """Replace a model by another one again and again, killed each time a little later."""
        (tmp_path / "entries.json").write_bytes(
            msgspec.json.encode([entry(digest(content)) for content in (TFLITE, OTHER)])
        )
        code = f"""
            import itertools, sys
            from pathlib import Path
            import msgspec
            from mnv2_engines.catalogue import CatalogueModel, ModelHome, PullOptions, pull_model
            entries = msgspec.json.decode(Path("entries.json").read_bytes(), type=list[CatalogueModel])
            print("ready", flush=True)
            for turn, entry in enumerate(itertools.cycle(entries)):
                pull_model("net", entry, ModelHome(Path({str(home.root)!r})), PullOptions(mirror=Path(str(turn % 2))))
        """
        for turn, content in enumerate((TFLITE, OTHER)):
            (tmp_path / str(turn)).mkdir()
            (tmp_path / str(turn) / "net.tflite").write_bytes(content)
            (tmp_path / str(turn) / "labels.txt").write_bytes(LABELS)
        for moment in range(6):
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
            )
            try:
                assert process.stdout.readline() == "ready\n"
                time.sleep(0.013 * moment)
            finally:
                process.kill()
                process.communicate()
            path = home.folder("net") / "net.tflite"
            if path.exists():
                assert path.read_bytes() in (TFLITE, OTHER)
                assert read_labels(read_sidecar(path).labels_file) == ("cat", "dog")
            assert pull(entry(digest(TFLITE))).path.read_bytes() == TFLITE

    def test_an_import_that_fails_does_not_ask_for_the_same_again(self, pull, server, home):
        server.files["w.pth"] = b"PK\x03\x04 but no weights"
        file = RemoteFile(name="w.pth", urls=(f"{server.url}/w.pth",))
        with pytest.raises(ModelError, match=r"w\.pth"):
            pull(CatalogueModel(description="", licence="", files=(file,)))
        assert left_over(home) == []
