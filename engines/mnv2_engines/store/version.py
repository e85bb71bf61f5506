"""The files of one version of a stored engine."""

from dataclasses import dataclass
from pathlib import Path

from mnv2_engines.engine.manifest import Manifest, decode_manifest
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.errors import CorruptEngineError, UnbuiltEngineError
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular

__all__ = ["SOURCE", "Version", "read_stored_manifest"]

SOURCE = "source"
"""The folder of what an engine is built from."""


@dataclass(frozen=True, slots=True)
class Version:
    """One engine of a store at one moment: its files never change, and a newer version has another folder."""

    name: str
    folder: Path
    """Compare it to find out whether the name has moved on."""

    @property
    def source(self) -> Path:
        """Return the folder of what the engine was built from."""
        return self.folder / SOURCE

    def engine_path(self) -> Path:
        """Return the engine file. Raises UnbuiltEngineError when there is none yet, CorruptEngineError."""
        return self.folder / read_stored_manifest(self.folder, self.name).engine.file


def read_stored_manifest(folder: Path, name: str) -> Manifest:
    """Read the manifest of the engine `name` in a version's folder; raises as `Version.engine_path` does."""
    path = folder / f"{name}.json"
    try:
        raw = read_regular(path, SETTINGS_LIMIT)
    except FileNotFoundError as exc:
        raise UnbuiltEngineError(
            f"{name} came from another device and has to be built on this one: `mnv2-edge engines rebuild {name}`, or "
            "run with `--build missing`"
        ) from exc
    manifest = decode_manifest(raw, path)
    if manifest is None or Path(manifest.engine.file).name != manifest.engine.file or manifest.name != name:
        raise CorruptEngineError(f"{path} is not the manifest of {name}: {how_to_rebuild(path)}")
    return manifest
