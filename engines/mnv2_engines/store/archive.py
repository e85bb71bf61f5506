"""Export and import of engines, between stores on this device or on another one."""

import dataclasses
import logging
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnv2_engines.building.build import BuildProgress
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.facts import EngineKind
from mnv2_engines.errors import (
    ArchiveError,
    CorruptEngineError,
    EngineError,
    SignatureError,
    StaleEngineError,
    StoreAccessError,
    UnbuiltEngineError,
)
from mnv2_engines.files.durable import replace
from mnv2_engines.files.regular_file import open_regular, require_replaceable
from mnv2_engines.files.signing import SigningKey, TrustedKeys, Verified
from mnv2_engines.proof.self_test import load_in_child, remember_tested
from mnv2_engines.store.build import build_stored, publish
from mnv2_engines.store.errors import explain_store_error
from mnv2_engines.store.folder import Staging, Store
from mnv2_engines.store.recipe import RECIPE, Recipe
from mnv2_engines.store.signatures import SIGNATURE, check_archive, comment_of, put_beside, verify_folder
from mnv2_engines.store.sources import check_sources, read_request
from mnv2_engines.store.tar_file import ARCHIVE_LIMIT, extract, write_archive
from mnv2_engines.store.version import SOURCE, Version, read_stored_manifest

__all__ = ["ImportedEngine", "export_engine", "import_engine"]

_log = logging.getLogger(__name__)

_FRAME_BYTES: Final = 1 << 20
"""More than headers, sums and padding of an archive take."""
_PORTABLE: Final[frozenset[EngineKind]] = frozenset({"litert"})
"""What runs on other devices. A TensorRT plan is a program for one device: it neither leaves nor comes in."""


@dataclass(frozen=True, slots=True)
class ImportedEngine:
    """What was imported from an archive."""

    name: str
    is_built: bool
    """False: the engine has to be built on this device before it runs."""
    why: str = ""
    """Why it is not built, in one line."""
    signed: Verified | None = None
    """Who has signed it; None when that was not asked."""


def export_engine(store: Store, name: str, file: Path, key: SigningKey | None = None) -> None:
    """Write a stored engine and all that it was built from to one file, whole or not at all, replacing what is there.

    Nobody else may read the file: it holds pictures, unless it was built without keeping any. With `key` the signature
    goes beside it, as minisign has it. A TensorRT plan stays behind. Raises UnknownEngineError, CorruptEngineError when
    something is not as it was built, SignatureError, StoreAccessError and DiskError when the file cannot be written.
    """
    with store.pinned(name) as version, explain_store_error(store.folder):
        files = _files_of(version)
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        with explain_store_error(file.absolute().parent, "choose another place"):
            try:
                require_replaceable(file)
                descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "w+b") as stream:
                    write_archive(stream, files)
                    stream.flush()
                    os.fsync(stream.fileno())
                    if key is not None:
                        stream.seek(0)
                        put_beside(file, key.sign(stream, comment_of(name, files)))
                replace(temporary, file)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise


def import_engine(
    store: Store,
    file: Path,
    progress: BuildProgress = lambda _phase, _done, _total: None,
    *,
    build: bool = False,
    threads: int = 1,
    cache_dir: Path | None = None,
    load: Callable[[Path], None] = load_in_child,
    trust: TrustedKeys | None = None,
) -> ImportedEngine:
    """Install what `export_engine` wrote, under its name, replacing an engine of that name.

    With `trust`, FILE.minisig must be there and a signature of the whole file by one of these keys, before a byte of it
    is unpacked; it stays with the engine. Everything is checked first, and the engine is loaded in a child process. One
    that does not run here is left out and has to be built from what came with it: at once with `build`, later without,
    unless it would take the place of one that may run. Raises SignatureError, ArchiveError for a file that is not an
    export, is damaged or dishonest, what `build_stored` raises, StoreAccessError, DiskError.
    """
    with store.staging("import") as unpacked, explain_store_error(store.folder):
        names, signature, signed = _unpack(file, unpacked.folder, progress, trust)
        try:
            recipe = _check(unpacked.folder, names)
            staging = dataclasses.replace(unpacked, name=recipe.name)
            if trust is not None:  # what was unpacked is what every load will be held to
                verify_folder(staging.folder, signature, trust, str(file))
            why = _try_engine(staging, load, cache_dir)
        except SignatureError:
            raise
        except EngineError as exc:
            raise ArchiveError(f"{file}: {str(exc).replace(f'{unpacked.folder}{os.sep}', '')}") from exc
        if not why:
            if signed is not None:
                (staging.folder / SIGNATURE).write_bytes(signature)
            publish(staging)
            return ImportedEngine(recipe.name, is_built=True, signed=signed)
        if not build and recipe.name in store.names():
            raise UnbuiltEngineError(
                f"{file} holds an engine that has to be built here ({why}), and {recipe.name} is there already: import "
                f"and build it at once with `mnv2-edge engines import --build {file}`"
            )
        if not build:
            publish(staging)
            return ImportedEngine(recipe.name, is_built=False, why=why, signed=signed)
        request = read_request(staging.folder / SOURCE, threads=threads, cache_dir=cache_dir)
        build_stored(store, request, progress).require_installed()
        return ImportedEngine(recipe.name, is_built=True, signed=signed)


def _files_of(version: Version) -> dict[str, Path]:
    """Return what belongs to a version by its name in the archive, after a look at every hash."""
    recipe = check_sources(version.source)
    files = {f"{SOURCE}/{name}": version.source / name for name in (RECIPE, *(f.file for f in recipe.files()))}
    if recipe.target not in _PORTABLE:
        return files
    try:
        engine = read_engine(version.engine_path())
    except UnbuiltEngineError:
        return files
    manifest = version.folder / f"{version.name}.json"
    return {**files, engine.path.name: engine.path, manifest.name: manifest}


def _unpack(
    file: Path, folder: Path, progress: BuildProgress, trust: TrustedKeys | None
) -> tuple[frozenset[str], bytes, Verified | None]:
    progress("unpack", 0, 1)
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(open_regular(file, ARCHIVE_LIMIT + _FRAME_BYTES))
        except PermissionError as exc:
            raise StoreAccessError(f"{file} cannot be read by this user ({exc.strerror})") from exc
        except OSError as exc:
            raise ArchiveError(
                f"{file} cannot be read ({exc.strerror}): expected what `mnv2-edge engines export NAME FILE` wrote"
            ) from exc
        signature, signed = (b"", None) if trust is None else check_archive(file, stream, trust)
        try:
            names = extract(stream, folder)
        except ArchiveError as exc:
            raise ArchiveError(f"{file} {exc}: expected what `mnv2-edge engines export NAME FILE` wrote") from exc
    progress("unpack", 1, 1)
    return names, signature, signed


def _check(folder: Path, names: frozenset[str]) -> Recipe:
    """Return the recipe once everything fits together and nothing else is there."""
    recipe = check_sources(folder / SOURCE)
    expected = {f"{SOURCE}/{RECIPE}", *(f"{SOURCE}/{facts.file}" for facts in recipe.files())}
    if f"{recipe.name}.json" in names:
        manifest = read_stored_manifest(folder, recipe.name)
        if manifest.target != recipe.target:
            raise CorruptEngineError(f"the manifest is about {manifest.target}, the recipe about {recipe.target}")
        expected |= {f"{recipe.name}.json", manifest.engine.file}
    if names != expected:
        raise ArchiveError(f"what it holds and what it should hold differ by {sorted(names ^ expected)}")
    return recipe


def _try_engine(staging: Staging, load: Callable[[Path], None], cache_dir: Path | None) -> str:
    """Load the engine; say in one line why it does not run here, after removing one that does not."""
    manifest_file = staging.folder / f"{staging.name}.json"
    if not manifest_file.exists():
        return "none came with it that runs on another device"
    engine = read_engine(staging.folder / read_stored_manifest(staging.folder, staging.name).engine.file)
    why = "a plan runs on the device that it was built for, and nowhere else"
    if engine.kind in _PORTABLE:  # whatever its papers say: a file may be taken for a plan by its name
        try:
            load(engine.path)
        except StaleEngineError as exc:
            _log.info("%s", exc)
            why = "it does not give here what it gave where it was built"
        else:
            remember_tested(engine, cache_dir)
            return ""
    manifest_file.unlink()
    engine.path.unlink()
    return why
