"""Carry engines from one store to another, and refuse everything that only looks like one."""

import hashlib
import io
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest

from mnv2_engines.engine.manifest import decode_manifest, encode_manifest
from mnv2_engines.errors import (
    ArchiveError,
    BackendUnavailableError,
    CorruptEngineError,
    DiskError,
    StaleEngineError,
    StoreError,
    UnbuiltEngineError,
)
from mnv2_engines.store import Store
from mnv2_engines.store.archive import export_engine, import_engine
from mnv2_engines.store.build import rebuild_stored
from mnv2_engines.store.readiness import verify_stored
from mnv2_engines.store.recipe import decode_recipe, encode_recipe
from mnv2_engines.store.tar_file import extract, write_archive


def trust(_path: Path) -> None:
    """Load nothing: the child process is another test's business."""


@pytest.fixture(scope="session")
def exported(built_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "signs.mnv2"
    export_engine(Store(built_home), "signs", file)
    return file


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(tmp_path / "elsewhere")


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def pack(path: Path, files: dict[str, bytes], *, seal: bool = True, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    """Write an archive by the standard library, with honest sums of whatever is in it unless `seal` is False."""
    content = files
    if seal:
        held = {name: raw for name, raw in files.items() if name != "SHA256SUMS"}
        lines = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in held.items())
        content = {"SHA256SUMS": lines.encode(), **held}
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, raw in content.items():
            header = tarfile.TarInfo(name)
            header.size = len(raw)
            tar.addfile(header, io.BytesIO(raw))
        for header in extra:
            tar.addfile(header, io.BytesIO(bytes(header.size)))
    return path


def refused(store: Store, archive: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        import_engine(store, archive, load=trust)
    assert store.names() == ()
    assert not (store.folder / ".versions").exists()
    assert list((store.folder / ".staging").iterdir()) == []
    message = str(caught.value)
    assert str(archive) in message
    assert str(store.folder) not in message
    assert "\n" not in message
    return message


def test_what_was_exported_is_what_is_imported(built_home: Path, exported: Path, empty: Store) -> None:
    imported = import_engine(empty, exported)
    assert (imported.name, imported.is_built) == ("signs", True)
    assert empty.default() == "signs"
    here, there = (store.version("signs").folder for store in (empty, Store(built_home)))
    files = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    assert all((here / file).read_bytes() == (there / file).read_bytes() for file in files)
    assert rebuild_stored(empty, "signs").installed


def test_an_archive_is_the_same_whenever_it_is_written_and_tools_can_check_it(
    built_home: Path, exported: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.mnv2"
    export_engine(Store(built_home), "signs", again)
    assert again.read_bytes() == exported.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.mnv2"]
    subprocess.run(["tar", "xf", again], cwd=tmp_path, check=True)
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=tmp_path, check=True)


def test_a_new_engine_takes_the_place_of_the_old_one_which_may_still_be_read(store: Store, exported: Path) -> None:
    with store.pinned("signs") as before:
        assert import_engine(store, exported, load=trust).is_built
        assert before.engine_path().is_file()
        assert store.version("signs") != before


def test_a_damaged_engine_is_not_exported(store: Store, tmp_path: Path) -> None:
    path = store.version("signs").engine_path()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptEngineError, match="engines rebuild signs"):
        export_engine(store, "signs", tmp_path / "signs.mnv2")
    assert not list(tmp_path.glob("*.mnv2"))


def test_an_export_that_does_not_fit_on_the_disk_leaves_what_was_there(
    store: Store, tmp_path: Path, monkeypatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    file = tmp_path / "signs.mnv2"
    file.write_bytes(b"before")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskError, match="is full"):
        export_engine(store, "signs", file)
    assert file.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "signs.mnv2"]
    with pytest.raises(StoreError):
        export_engine(store, "signs", tmp_path / "nowhere" / "signs.mnv2")


class TestRefusals:
    @pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
    def test_cut_short(self, exported: Path, empty: Store, tmp_path: Path, share: float) -> None:
        raw = exported.read_bytes()
        cut = tmp_path / "cut.mnv2"
        cut.write_bytes(raw[: int(share * (len(raw) - 1024))])
        assert "cut short" in refused(empty, cut)

    def test_without_the_last_file(self, exported: Path, empty: Store, tmp_path: Path) -> None:
        files = members(exported)
        files.pop("source/verification.png")
        short = pack(tmp_path / "short.mnv2", files, seal=False)
        assert "source/verification.png is missing" in refused(empty, short)
        files.pop("SHA256SUMS")
        assert "does not begin with SHA256SUMS" in refused(empty, pack(short, files, seal=False))

    @pytest.mark.parametrize("place", [700, 20_000, 1_000_000])
    def test_a_changed_byte(self, exported: Path, empty: Store, tmp_path: Path, place: int) -> None:
        raw = bytearray(exported.read_bytes())
        raw[place] ^= 1
        changed = tmp_path / "changed.mnv2"
        changed.write_bytes(raw)
        refused(empty, changed)

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/passwd",
            "../escape",
            "source/../../escape",
            "a/b",
            ".hidden",
            "source/deep/x",
            "a\\b",
            "a\x1b[2J",
            "source",
        ],
    )
    def test_names_that_lead_elsewhere(self, exported: Path, empty: Store, tmp_path: Path, name: str) -> None:
        message = refused(empty, pack(tmp_path / "bad.mnv2", {**members(exported), name: b"x"}))
        assert "\x1b" not in message
        assert not (tmp_path / "escape").exists()

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.XHDTYPE,
                 tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.CONTTYPE]
    )  # fmt: skip
    def test_everything_but_plain_files(self, exported: Path, empty: Store, tmp_path: Path, kind: bytes) -> None:
        header = tarfile.TarInfo("source/link")
        header.type, header.linkname = kind, "/etc/passwd"
        assert "not a plain file" in refused(empty, pack(tmp_path / "bad.mnv2", members(exported), extra=(header,)))

    def test_a_file_twice_and_a_file_that_the_sums_do_not_name(
        self, exported: Path, empty: Store, tmp_path: Path
    ) -> None:
        files = members(exported)
        for name, says in (("signs.json", "twice"), ("other.json", "does not name")):
            bad = pack(tmp_path / "bad.mnv2", files, extra=(tarfile.TarInfo(name),))
            assert says in refused(empty, bad)

    def test_a_file_that_belongs_to_nothing(self, exported: Path, empty: Store, tmp_path: Path) -> None:
        bad = pack(tmp_path / "bad.mnv2", {**members(exported), "more.txt": b"x"})
        assert "more.txt" in refused(empty, bad)

    def test_a_size_that_would_fill_the_disk(self, exported: Path, empty: Store, tmp_path: Path) -> None:
        files = members(exported)
        bomb = tarfile.TarInfo("source/signs.onnx")
        bomb.size = 7 << 30
        with tarfile.open(pack(tmp_path / "bad.mnv2", files), "r:") as tar:
            first = tar.next()
            end = first.offset_data + 512
        raw = (tmp_path / "bad.mnv2").read_bytes()
        sums = files["SHA256SUMS"] + b"0" * 64 + b"  source/bomb.onnx\n"
        header = tarfile.TarInfo("SHA256SUMS")
        header.size = len(sums)
        padded = sums + bytes(-len(sums) % 512)
        bomb.name = "source/bomb.onnx"
        (tmp_path / "bad.mnv2").write_bytes(
            header.tobuf(tarfile.USTAR_FORMAT) + padded + bomb.tobuf(tarfile.USTAR_FORMAT) + raw[end:]
        )
        assert "more than 1024 MiB" in refused(empty, tmp_path / "bad.mnv2")

    @pytest.mark.parametrize("content", [b"", b"x" * 5000, b"\x1f\x8b" + b"0" * 5000, bytes(20_000)])
    def test_files_that_are_no_archive(self, empty: Store, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "bad.mnv2").write_bytes(content)
        assert "engines export" in refused(empty, tmp_path / "bad.mnv2")

    def test_what_is_no_file(self, empty: Store, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "it is a pipe, expected a regular file" in refused(empty, tmp_path / "pipe")
        assert "No such file" in refused(empty, tmp_path / "nowhere")
        assert "Is a directory" in refused(empty, tmp_path)

    def test_something_behind_the_end(self, exported: Path, empty: Store, tmp_path: Path) -> None:
        bad = tmp_path / "bad.mnv2"
        bad.write_bytes(exported.read_bytes() + b"more")
        assert "behind its end" in refused(empty, bad)

    @pytest.mark.parametrize("changes", [{"name": "../signs"}, {"name": "other"}, {"target": "tensorrt"}])
    def test_papers_that_contradict_each_other(
        self, exported: Path, empty: Store, tmp_path: Path, changes: dict[str, object]
    ) -> None:
        """Sums and checksums are honest, as an attacker would make them."""
        files = members(exported)
        recipe = decode_recipe(files["source/recipe.json"], Path("recipe.json"))
        files["source/recipe.json"] = encode_recipe(msgspec.structs.replace(recipe, **changes))
        refused(empty, pack(tmp_path / "bad.mnv2", files))

    def test_an_engine_that_crashes_the_runtime(self, exported: Path, empty: Store, tmp_path: Path) -> None:
        def crash(path: Path) -> None:
            raise CorruptEngineError(f"{path} crashed the runtime (SIGSEGV)")

        with pytest.raises(ArchiveError, match=r"signs\.tflite crashed the runtime"):
            import_engine(empty, exported, load=crash)
        assert empty.names() == ()

    def test_without_a_runtime_nothing_is_imported(self, exported: Path, empty: Store) -> None:
        def lack(_path: Path) -> None:
            raise BackendUnavailableError("LiteRT is not importable")

        with pytest.raises(BackendUnavailableError):
            import_engine(empty, exported, load=lack)
        assert empty.names() == ()


class TestWhatHasToBeBuiltHere:
    """Engines that this device cannot run as they are come in without their engine file."""

    @staticmethod
    def fail(path: Path) -> None:
        raise StaleEngineError(f"{path} makes something else of it")

    def test_it_is_kept_until_it_is_built(self, exported: Path, empty: Store) -> None:
        imported = import_engine(empty, exported, load=self.fail)
        assert (imported.name, imported.is_built) == ("signs", False)
        assert "where it was built" in imported.why
        assert sorted(path.name for path in empty.version("signs").folder.iterdir()) == ["source"]
        with pytest.raises(UnbuiltEngineError, match="`mnv2-edge engines rebuild signs`"):
            empty.version("signs").engine_path()
        assert verify_stored(empty, "signs").state == "unbuilt"
        rebuild_stored(empty, "signs").require_installed()
        assert verify_stored(empty, "signs", load=trust).state == "ok"

    def test_it_does_not_take_the_place_of_one_that_runs(self, exported: Path, store: Store) -> None:
        before = store.version("signs")
        with pytest.raises(UnbuiltEngineError, match="engines import --build"):
            import_engine(store, exported, load=self.fail)
        assert store.version("signs") == before

    def test_it_can_be_built_at_once(self, exported: Path, store: Store) -> None:
        before = store.version("signs")
        assert import_engine(store, exported, load=self.fail, build=True).is_built
        assert store.version("signs") != before
        assert store.version("signs").engine_path().is_file()

    @pytest.mark.parametrize("target", ["tensorrt", "litert"])
    def test_a_plan_of_another_device_is_never_loaded_whatever_its_papers_say(
        self, exported: Path, empty: Store, tmp_path: Path, target: str
    ) -> None:
        files = members(exported)
        recipe = decode_recipe(files["source/recipe.json"], Path("recipe.json"))
        files["source/recipe.json"] = encode_recipe(msgspec.structs.replace(recipe, target=target))
        manifest = decode_manifest(files["signs.json"], Path("signs.json"))
        engine = msgspec.structs.replace(manifest.engine, file="signs.plan")
        files["signs.json"] = encode_manifest(msgspec.structs.replace(manifest, target=target, engine=engine))
        files["signs.plan"] = files.pop("signs.tflite")

        def boom(path: Path) -> None:
            raise AssertionError(path)

        imported = import_engine(empty, pack(tmp_path / "plan.mnv2", files), load=boom)
        assert not imported.is_built
        assert "nowhere else" in imported.why
        assert not list(empty.folder.rglob("*.plan"))
        export_engine(empty, "signs", tmp_path / "again.mnv2")
        assert set(members(tmp_path / "again.mnv2")) == {"SHA256SUMS"} | {name for name in files if "source" in name}


def test_an_archive_of_the_whole_store_is_none(store: Store, tmp_path: Path, empty: Store) -> None:
    shutil.make_archive(str(tmp_path / "all"), "tar", store.folder)
    assert "expected what" in refused(empty, tmp_path / "all.tar")


def test_no_mutation_of_an_archive_gives_other_files(tmp_path: Path) -> None:
    """One to eight changed, removed or repeated bytes anywhere: refused, or without effect (a date, an owner)."""
    files = {"signs.json": b"{}" * 30, "source/signs.onnx": bytes(range(256)) * 3}
    for name, raw in files.items():
        (tmp_path / Path(name).name).write_bytes(raw)
    stream = io.BytesIO()
    write_archive(stream, {name: tmp_path / Path(name).name for name in files})
    whole = stream.getvalue()
    draw = random.Random(11)
    refusals: list[str] = []
    for number in range(600):
        mutant = bytearray(whole)
        for _ in range(draw.choice((1, 1, 2, 8))):
            place = draw.randrange(len(mutant))
            kind = draw.randrange(4)
            if kind == 0:
                del mutant[place]
            elif kind == 1:
                mutant.insert(place, draw.randrange(256))
            else:
                mutant[place] ^= 1 << draw.randrange(8)
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            names = extract(io.BytesIO(mutant), folder)
        except ArchiveError as exc:
            refusals.append(str(exc))
        else:
            assert {name: (folder / name).read_bytes() for name in names} == files
    assert len(refusals) > 300
    assert all(message.isprintable() for message in refusals)
