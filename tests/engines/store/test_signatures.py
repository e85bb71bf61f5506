"""Only what a trusted key has signed passes, however somebody tampers with it."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mnv2_engines.errors import ArchiveError, SignatureError
from mnv2_engines.files.signing import SigningKey, TrustedKeys, make_key, signature_path
from mnv2_engines.store import Store
from mnv2_engines.store import archive as archive_module
from mnv2_engines.store import signatures as signatures_module
from mnv2_engines.store.archive import export_engine, import_engine
from mnv2_engines.store.reference import StoredEngine
from mnv2_engines.store.signatures import SIGNATURE, require_signature, sign_stored
from mnv2_engines.store.tar_file import archive_parts

minisign = pytest.importorskip("minisign", reason="py-minisign is not installed: pip install 'mnv2-edge[sign]'")
needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="needs the program minisign")


def no_password() -> str:
    raise AssertionError("nobody was to be asked")


def load(_path: Path) -> None:
    """Load nothing: the child process is another test's business."""


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        make_key(folder / name, "")
    return folder


@pytest.fixture
def key(keys: Path) -> SigningKey:
    return SigningKey.read(keys / "mine", no_password)


@pytest.fixture
def trust(keys: Path) -> TrustedKeys:
    return TrustedKeys.read(keys / "mine.pub")


@pytest.fixture(scope="session")
def signed(built_home: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("signed") / "signs.mnv2"
    export_engine(Store(built_home), "signs", file, SigningKey.read(keys / "mine", no_password))
    return file


@pytest.fixture
def copy(signed: Path, tmp_path: Path) -> Path:
    """Return a signed archive of the test's own, its signature beside it."""
    shutil.copy(signature_path(signed), tmp_path)
    return Path(shutil.copy(signed, tmp_path))


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(tmp_path / "elsewhere")


@pytest.fixture
def refused(empty: Store, trust: TrustedKeys, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Return a function that imports a file, sees it refused before a byte was unpacked, and gives the reason."""

    def refuse(file: Path, by: TrustedKeys = trust) -> str:
        def never(*_args: object) -> None:
            raise AssertionError("unpacked before the signature was checked")

        monkeypatch.setattr(archive_module, "extract", never)
        with pytest.raises(SignatureError) as caught:
            import_engine(empty, file, load=load, trust=by)
        assert empty.names() == ()
        return str(caught.value)

    return refuse


def lines_of(file: Path) -> list[str]:
    return signature_path(file).read_text().splitlines()


def write_lines(file: Path, lines: list[str]) -> None:
    signature_path(file).write_text("\n".join(lines) + "\n")


def test_a_signed_engine_is_imported_and_keeps_its_signature(copy: Path, empty: Store, trust: TrustedKeys) -> None:
    imported = import_engine(empty, copy, load=load, trust=trust)
    assert imported.is_built
    assert imported.signed is not None
    assert imported.signed.comment.startswith("mnv2-edge engine signs sums sha256:")
    with empty.pinned("signs") as version:
        assert require_signature(version, trust) == imported.signed
        assert (version.folder / SIGNATURE).read_bytes() == signature_path(copy).read_bytes()
    assert StoredEngine(empty, "signs", lambda version: require_signature(version, trust)).read().name == "signs"


def test_an_engine_is_still_imported_without_asking_who_made_it(copy: Path, empty: Store, trust: TrustedKeys) -> None:
    signature_path(copy).unlink()
    assert import_engine(empty, copy, load=load).signed is None
    with empty.pinned("signs") as version, pytest.raises(SignatureError, match="is not signed"):
        require_signature(version, trust)


class TestTampering:
    def test_a_missing_signature(self, copy: Path, refused) -> None:
        signature_path(copy).unlink()
        assert "is not signed: expected signs.mnv2.minisig beside it" in refused(copy)

    @pytest.mark.parametrize("at", [0, 700, 30_000, -1])
    def test_a_flipped_bit_anywhere(self, copy: Path, refused, at: int) -> None:
        raw = bytearray(copy.read_bytes())
        raw[at] ^= 1
        copy.write_bytes(raw)
        assert "is not what the key" in refused(copy)

    def test_a_truncated_or_longer_file(self, copy: Path, refused) -> None:
        whole = copy.read_bytes()
        for raw in (whole[:-512], whole + bytes(512), b""):
            copy.write_bytes(raw)
            assert "is not what the key" in refused(copy)

    def test_swapped_members_with_honest_sums(self, copy: Path, refused) -> None:
        with tarfile.open(copy) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar if member.name != "SHA256SUMS"}
        pictures = [name for name in files if name.endswith(".png")]
        files[pictures[0]], files[pictures[1]] = files[pictures[1]], files[pictures[0]]
        folder = copy.parent / "members"
        (folder / "source").mkdir(parents=True)
        for name, raw in files.items():
            (folder / name).write_bytes(raw)
        copy.write_bytes(b"".join(archive_parts({name: folder / name for name in files})))
        assert "is not what the key" in refused(copy)

    def test_the_signature_of_another_file(self, copy: Path, key: SigningKey, refused, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_bytes(b"another engine")
        with other.open("rb") as file:
            signature_path(copy).write_bytes(key.sign(file, "mnv2-edge engine signs"))
        assert "is not what the key" in refused(copy)

    def test_another_trusted_comment(self, copy: Path, refused) -> None:
        lines = lines_of(copy)
        lines[2] = lines[2].replace("signs", "birds")
        write_lines(copy, lines)
        assert "is not what the key" in refused(copy)

    def test_the_global_signature_of_another_one(self, copy: Path, key: SigningKey, refused) -> None:
        with copy.open("rb") as file:
            other = key.sign(file, "mnv2-edge engine birds").decode().splitlines()
        write_lines(copy, [*lines_of(copy)[:3], other[3]])
        assert "is not what the key" in refused(copy)

    def test_an_unknown_key(self, copy: Path, keys: Path, refused) -> None:
        assert "which is not in" in refused(copy, TrustedKeys.read(keys / "other.pub"))

    def test_the_id_of_a_trusted_key_on_another_ones_signature(self, copy: Path, keys: Path, refused) -> None:
        import base64

        with copy.open("rb") as file:
            forged = SigningKey.read(keys / "other", no_password).sign(file, "x").decode().splitlines()
        mine, theirs = (base64.b64decode(lines[1]) for lines in (lines_of(copy), forged))
        forged[1] = base64.b64encode(theirs[:2] + mine[2:10] + theirs[10:]).decode()
        write_lines(copy, forged)
        assert "is not what the key" in refused(copy)

    @pytest.mark.parametrize("raw", [b"", b"\n" * 4, b"\xff" * 400, b"untrusted comment: x\nAAAA\n", b"x" * 20_000])
    def test_no_signature_at_all(self, copy: Path, refused, raw: bytes) -> None:
        signature_path(copy).write_bytes(raw)
        assert "cannot be read" in refused(copy)

    def test_links_and_pipes_in_the_place_of_a_signature(self, copy: Path, refused) -> None:
        beside = signature_path(copy)
        real = beside.rename(beside.with_name("real"))
        beside.symlink_to(real)
        assert "cannot be read" in refused(copy)
        beside.unlink()
        os.mkfifo(beside)
        assert "it is a pipe" in refused(copy)

    def test_a_well_signed_file_that_is_no_archive(
        self, empty: Store, key: SigningKey, trust: TrustedKeys, tmp_path: Path
    ) -> None:
        file = tmp_path / "signs.mnv2"
        file.write_bytes(b"no archive")
        with file.open("rb") as stream:
            signature_path(file).write_bytes(key.sign(stream, "x"))
        with pytest.raises(ArchiveError):
            import_engine(empty, file, load=load, trust=trust)

    def test_a_well_signed_archive_that_another_program_packed(
        self, copy: Path, empty: Store, key: SigningKey, trust: TrustedKeys
    ) -> None:
        """No load could check it again."""
        copy.write_bytes(copy.read_bytes() + bytes(10 * 512))
        with copy.open("rb") as stream:
            signature_path(copy).write_bytes(key.sign(stream, "x"))
        with pytest.raises(SignatureError, match="is not what the key"):
            import_engine(empty, copy, load=load, trust=trust)
        assert empty.names() == ()


class TestInTheStore:
    @pytest.fixture
    def kept(self, copy: Path, empty: Store, trust: TrustedKeys) -> Path:
        """Return the folder of a signed version."""
        import_engine(empty, copy, load=load, trust=trust)
        return empty.version("signs").folder

    @pytest.mark.parametrize(
        "name", ["signs.tflite", "signs.json", "source/recipe.json", "source/calibration.png", "source/demo.onnx"]
    )
    def test_every_file_is_covered(self, kept: Path, empty: Store, trust: TrustedKeys, name: str) -> None:
        raw = bytearray((kept / name).read_bytes())
        raw[len(raw) // 2] ^= 1
        (kept / name).write_bytes(raw)
        with pytest.raises(SignatureError, match="is not what the key"):
            require_signature(empty.version("signs"), trust)
        (kept / name).unlink()
        with pytest.raises(SignatureError, match="is not what the key"):
            require_signature(empty.version("signs"), trust)

    def test_a_removed_signature(self, kept: Path, empty: Store, trust: TrustedKeys) -> None:
        (kept / SIGNATURE).unlink()
        with pytest.raises(SignatureError, match=r"is not signed.*engines import --trust"):
            require_signature(empty.version("signs"), trust)

    def test_a_linked_signature_or_engine(self, kept: Path, empty: Store, trust: TrustedKeys, tmp_path: Path) -> None:
        for name, words in ((SIGNATURE, "cannot be read"), ("signs.tflite", "not a file of an engine")):
            moved = (kept / name).rename(tmp_path / "moved")
            (kept / name).symlink_to(moved)
            with pytest.raises(SignatureError, match=words):
                require_signature(empty.version("signs"), trust)
            (kept / name).unlink()
            moved.rename(kept / name)

    @pytest.mark.parametrize("name", ["signs.yaml", "signs.json.pending", "source/extra", ".hidden"])
    def test_a_file_too_many(self, kept: Path, empty: Store, trust: TrustedKeys, name: str) -> None:
        (kept / name).write_bytes(b"x")
        with pytest.raises(SignatureError):
            require_signature(empty.version("signs"), trust)

    def test_a_key_that_is_trusted_no_more(self, kept: Path, empty: Store, keys: Path, tmp_path: Path) -> None:
        file = tmp_path / "trusted"
        both = (keys / "mine.pub").read_text(), (keys / "other.pub").read_text()
        file.write_text("# ours\n" + "".join(both))
        require_signature(empty.version("signs"), TrustedKeys.read(file))
        file.write_text(both[1])
        with pytest.raises(SignatureError, match="which is not in"):
            require_signature(empty.version("signs"), TrustedKeys.read(file))

    def test_nothing_is_parsed_before(self, kept: Path, empty: Store, trust: TrustedKeys) -> None:
        (kept / "signs.json").write_bytes(b"[" * 100_000)
        with pytest.raises(SignatureError):
            StoredEngine(empty, "signs", lambda version: require_signature(version, trust)).read()

    def test_what_was_built_here_is_signed_here(self, store: Store, key: SigningKey, trust: TrustedKeys) -> None:
        with pytest.raises(SignatureError, match="is not signed"):
            require_signature(store.version("signs"), trust)
        sign_stored(store, "signs", key)
        sign_stored(store, "signs", key)
        require_signature(store.version("signs"), trust)

    def test_the_signed_bytes_are_those_of_an_export(self, built_home: Path, signed: Path, kept: Path) -> None:
        files = {"signs.tflite": kept / "signs.tflite", "signs.json": kept / "signs.json"}
        files |= {f"source/{path.name}": path for path in (kept / "source").iterdir()}
        assert b"".join(archive_parts(files)) == signed.read_bytes()


def test_the_bytes_that_signatures_cover_never_change(tmp_path: Path) -> None:
    """Another order, mode or header would make worthless what has been signed so far."""
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"")
    whole = b"".join(archive_parts({"source/b": tmp_path / "b", "a.json": tmp_path / "a"}))
    assert hashlib.sha256(whole).hexdigest() == "5a78012e794d71661b1e76f4da1c3bd1cc90294fecda94250ba84530a22ee205"


def test_exports_are_for_their_owner_alone(signed: Path, store: Store, tmp_path: Path) -> None:
    before = tmp_path / "signs.mnv2"
    before.write_bytes(b"older")
    before.chmod(0o644)
    export_engine(store, "signs", before)
    assert {path.stat().st_mode & 0o777 for path in (signed, before)} == {0o600}


class TestKeys:
    @pytest.mark.parametrize("text", ["", "untrusted comment: x\n", "RWQnonsense\n", "\xff"])
    def test_a_file_that_holds_no_keys(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "keys").write_text(text, encoding="latin-1")
        with pytest.raises(SignatureError, match="expected public keys"):
            TrustedKeys.read(tmp_path / "keys")

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for place in (tmp_path, tmp_path / "pipe", tmp_path / "nowhere", Path("/dev/zero")):
            with pytest.raises(SignatureError, match="cannot be read"):
                TrustedKeys.read(place)

    def test_a_secret_key_is_for_its_owner_and_opens_with_its_password_alone(self, tmp_path: Path) -> None:
        make_key(tmp_path / "key", "geheim")
        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
        assert SigningKey.read(tmp_path / "key", lambda: "geheim").key_id
        with pytest.raises(SignatureError, match="wrong password"):
            SigningKey.read(tmp_path / "key", lambda: "falsch")
        with pytest.raises(FileExistsError):
            make_key(tmp_path / "key", "")


def test_a_signature_that_would_take_all_into_memory_is_refused_above_a_limit(
    copy: Path, key: SigningKey, trust: TrustedKeys, refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature = key._key.sign(copy.read_bytes(), prehash=False, trusted_comment="legacy")
    signature_path(copy).write_bytes(bytes(signature) + b"\n")
    monkeypatch.setattr(signatures_module, "_LEGACY_BYTES", 1000)
    assert "not prehashed" in refused(copy)


@needs_minisign
class TestWithMinisignItself:
    def minisign(self, *args: object) -> None:
        done = subprocess.run(["minisign", *map(str, args)], input="", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_it_verifies_what_was_signed_here(self, copy: Path, keys: Path) -> None:
        self.minisign("-V", "-p", keys / "mine.pub", "-m", copy)

    @pytest.mark.parametrize("legacy", [False, True])
    def test_its_keys_and_signatures_are_good_here(
        self, copy: Path, empty: Store, tmp_path: Path, refused, legacy: bool
    ) -> None:
        secret, public = tmp_path / "its.key", tmp_path / "its.pub"
        self.minisign("-G", "-W", "-s", secret, "-p", public)
        signature_path(copy).unlink()
        self.minisign("-S", *(["-l"] if legacy else []), "-s", secret, "-m", copy)
        assert import_engine(empty, copy, load=load, trust=TrustedKeys.read(public)).signed is not None
        require_signature(empty.version("signs"), TrustedKeys.read(public))
        with copy.open("rb") as file:
            signature_path(copy).write_bytes(SigningKey.read(secret, no_password).sign(file, "by our hand"))
        self.minisign("-V", "-p", public, "-m", copy)
        empty.remove("signs")
        copy.write_bytes(copy.read_bytes()[:-1] + b"\1")
        assert "is not what the key" in refused(copy, TrustedKeys.read(public))
