"""Files that move with an engine file: its manifest, or its MODEL.yaml and the files that this one names."""

from pathlib import Path

import yaml

from mnv2_edge.errors import ConfigError
from mnv2_engines.engine.manifest import manifest_path
from mnv2_engines.engine.sidecar import read_sidecar, sidecar_path
from mnv2_engines.files.regular_file import SETTINGS_LIMIT, read_regular
from mnv2_engines.labels.named import LISTS

__all__ = ["files_beside"]


def files_beside(engine: Path) -> tuple[Path, ...]:
    """Return the manifest alone where there is one, since nothing else is read then; else MODEL.yaml and its files.

    Raises ModelError for a MODEL.yaml that cannot be read, ConfigError for one whose meaning a move would change.
    """
    manifest, sidecar = manifest_path(engine), sidecar_path(engine)
    if manifest.is_file():
        return (manifest,)
    if not sidecar.is_file():
        return ()
    if engine.with_suffix(".onnx").exists():  # then the sidecar's mean and std may be in the engine already
        raise ConfigError(
            f"{sidecar} describes {engine.stem}.onnx, and {engine} has no manifest {manifest.name}: expected the "
            "manifest that build-engine wrote, or the engine in a folder without the ONNX file"
        )
    read_sidecar(engine)
    named = []
    for value in _named_files(yaml.safe_load(read_regular(sidecar, SETTINGS_LIMIT)) or {}):
        file = sidecar.parent / value
        if file.name in LISTS and not file.is_file():
            continue  # of the package
        if Path(value).name != value or not file.is_file():
            raise ConfigError(f"{sidecar} names {value}: expected a file beside it, which is copied with it")
        named.append(file)
    return (sidecar, *named)


def _named_files(stated: dict[str, object]) -> list[str]:
    detection = stated.get("detection")
    anchors = detection.get("anchors") if isinstance(detection, dict) else None
    return [value for value in (stated.get("labels"), anchors) if isinstance(value, str) and value != "ssd"]
