"""The JSON file beside an engine: what it was made of, what it expects, what was proven about it."""

from pathlib import Path
from typing import Final, Literal

import msgspec

from mnv2_engines.engine.facts import (
    AcceptedLoss,
    CalibrationFacts,
    DeviceFacts,
    EngineKind,
    FileFacts,
    GoldenTest,
    Precision,
    PreprocessFacts,
    TensorRtFacts,
    VerificationFacts,
)
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import CorruptEngineError
from mnv2_engines.files.checked_json import UNREADABLE, checksum, encode_with_checksum

__all__ = ["VERSION", "Manifest", "decode_manifest", "encode_manifest", "manifest_path", "pending_manifest_path"]

VERSION: Final = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is known about one engine. Written by `encode_manifest`, read by `decode_manifest`."""

    format: Literal["mnv2-edge engine"] = "mnv2-edge engine"
    version: Literal[1] = 1
    checksum: str = ""
    """SHA-256 over the manifest itself with this field empty: the mean of a network must not change by a bit either."""
    name: str
    created: str
    """UTC, RFC 3339; a board without a real-time clock may have been wrong."""
    builder: str
    target: EngineKind
    precision: Precision
    engine: FileFacts
    model: FileFacts
    built_on: DeviceFacts
    runtimes: dict[str, str]
    """Versions of the libraries that took part."""
    preprocess_engine: PreprocessFacts
    """What the engine needs; mean and std may have been folded into its first layer."""
    preprocess_model: PreprocessFacts
    """What the model was trained with."""
    task: str | None = None
    labels: tuple[str, ...] | None = None
    detection: DetectionFacts | None = None
    segmentation: SegmentationFacts | None = None
    calibration: CalibrationFacts | None = None
    verification: VerificationFacts | None = None
    golden: GoldenTest | None = None
    accepted_loss: AcceptedLoss | None = None
    tensorrt: TensorRtFacts | None = None
    """What a plan is bound to; None for every other kind of engine."""
    final_operators: dict[str, str] = {}
    """Per output the operator that makes it, where the engine file itself does not tell: a plan."""


class _Version(msgspec.Struct):
    """The one field that every version has."""

    version: int


def manifest_path(engine: Path) -> Path:
    """Return where the manifest of an engine file lies: the same name, ending in .json."""
    return engine.with_suffix(".json")


def pending_manifest_path(engine: Path) -> Path:
    """Return where a manifest waits for the engine that it describes to be put in place (see `install`)."""
    return engine.with_name(f".{manifest_path(engine).name}.next")


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON with its checksum filled in."""
    return encode_with_checksum(manifest)


def decode_manifest(raw: bytes, path: Path) -> Manifest | None:
    """Read a manifest; `path` only names it in messages.

    Returns None for a JSON file that was never a manifest (labels, say, that happen to have the engine's name). Raises
    CorruptEngineError for one that is damaged, was edited, or is of a version that this program does not know.
    """
    try:
        keys = msgspec.json.decode(raw)
    except UNREADABLE as exc:
        raise CorruptEngineError(f"{path} is not a readable manifest ({exc}): {how_to_rebuild(path)}") from exc
    known = {field.name for field in msgspec.structs.fields(Manifest)}
    if not isinstance(keys, dict) or len(known & keys.keys()) < len(known) // 2:
        return None
    try:
        version = msgspec.convert(keys, _Version).version
        if version != VERSION:
            raise CorruptEngineError(
                f"{path} is a manifest of version {version}, this program reads version {VERSION}: "
                f"{how_to_rebuild(path)}"
            )
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.ValidationError as exc:
        raise CorruptEngineError(f"{path} is a damaged manifest ({exc}): {how_to_rebuild(path)}") from exc
    if manifest.checksum != checksum(keys):
        raise CorruptEngineError(
            f"{path} was changed after the engine was verified (its checksum does not fit): {how_to_rebuild(path)}"
        )
    return manifest
