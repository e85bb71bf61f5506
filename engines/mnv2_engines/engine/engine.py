"""The reader of an engine file and its manifest, which refuses an engine that was changed after verification."""

import hashlib
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mnv2_engines.engine.facts import EngineKind
from mnv2_engines.engine.manifest import Manifest, decode_manifest, manifest_path, pending_manifest_path
from mnv2_engines.engine.rebuild_hint import PLAN_SUFFIXES, how_to_rebuild
from mnv2_engines.engine.sidecar import Sidecar, read_sidecar
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import ContractError, CorruptEngineError, EngineError
from mnv2_engines.files.regular_file import ENGINE_LIMIT, SETTINGS_LIMIT, read_regular
from mnv2_engines.labels import read_labels
from mnv2_engines.preprocessing.preprocess import Preprocess

__all__ = ["Engine", "is_tflite", "read_engine"]

_log = logging.getLogger(__name__)

_MODEL_SUFFIXES: Final = frozenset({".onnx", ".h5", ".keras", ".pt", ".pth", ".pb"})
_LOOKS: Final = 10
_BETWEEN_LOOKS_S: Final = 0.005
_FILE_IDENTIFIER: Final = b"TFL3"  # bytes 4 to 8 of every TFLite flatbuffer, `file_identifier` of its schema


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine file that may be run, and what is known about it."""

    path: Path
    kind: EngineKind
    name: str
    sha256: str
    preprocess: Preprocess | None
    """What the engine needs; None when nothing states it (a bare .tflite)."""
    task: str | None
    labels: tuple[str, ...] | None
    manifest: Manifest | None
    """None for a bare .tflite."""
    sidecar: Sidecar = field(default_factory=Sidecar)
    """What FILE.yaml beside a bare .tflite states; empty for an engine with a manifest, which says all of it."""

    @property
    def detection(self) -> DetectionFacts | None:
        """Return how a detector's outputs are to be read; None when nothing states it."""
        return self.manifest.detection if self.manifest is not None else self.sidecar.detection

    @property
    def segmentation(self) -> SegmentationFacts | None:
        """Return how a segmenter's output is to be read; None when nothing states it."""
        return self.manifest.segmentation if self.manifest is not None else self.sidecar.segmentation

    @property
    def id(self) -> str:
        """Return the name and the start of the hash: what records and logs call the engine."""
        return f"{self.name}@{self.sha256[:12]}"


def read_engine(path: Path) -> Engine:
    """Read FILE.tflite and, when it is there, its manifest FILE.json.

    The file is hashed, nothing is loaded. A bare .tflite is accepted with a warning; FILE.yaml beside it may state
    what a MODEL.yaml does. An installation that was cut short between its files still has its manifest under a pending
    name, which counts. Raises EngineError for a file that is missing or no engine, ModelError and LabelsError for what
    FILE.yaml says, CorruptEngineError when its bytes are not the ones that the manifest describes.
    """
    raw, digest, manifest = _read_pair(path)
    kind = _kind(path, raw, manifest)
    if manifest is None:
        if kind == "tensorrt":
            raise EngineError(
                f"{path} has no manifest {manifest_path(path).name} beside it: a TensorRT plan is a program, expected "
                "one that was built and verified on this device with `mnv2-edge build-engine MODEL.onnx`"
            )
        _log.warning("%s has no manifest: it runs unverified; SHA-256 %s", path, digest)
        return _bare_engine(path, kind, digest)
    try:
        preprocess = manifest.preprocess_engine.value()
    except ContractError as exc:
        raise CorruptEngineError(f"{manifest_path(path)} makes no sense: {exc}") from exc
    return Engine(path, kind, manifest.name, digest, preprocess, manifest.task, manifest.labels, manifest)


def _bare_engine(path: Path, kind: EngineKind, digest: str) -> Engine:
    """Return an engine without manifest, with what a FILE.yaml beside it states, as beside a model."""
    sidecar = read_sidecar(path)
    labels = sidecar.labels
    if sidecar.labels_file is not None:
        labels = tuple(read_labels(sidecar.labels_file))
    return Engine(path, kind, path.stem, digest, None, sidecar.task, labels, None, sidecar)


def is_tflite(raw: bytes) -> bool:
    """Return whether these are the first bytes of a TFLite flatbuffer."""
    return raw[4:8] == _FILE_IDENTIFIER


def _read_pair(path: Path) -> tuple[bytes, str, Manifest | None]:
    """Return the engine's bytes, their SHA-256 and the manifest that describes them."""
    raw, digest, stated, manifest = _look(path)
    for _ in range(_LOOKS):
        if manifest is not None or stated is None:
            break
        time.sleep(_BETWEEN_LOOKS_S)  # a builder may be between its renames; another may follow it at once
        raw, digest, stated, manifest = _look(path)
    if manifest is None and stated is not None:
        raise CorruptEngineError(
            f"{path} is not the file that was verified: its SHA-256 starts with {digest[:12]}, its manifest says "
            f"{stated.engine.sha256[:12]}; {how_to_rebuild(path, stated.model.file)}"
        )
    return raw, digest, manifest


def _look(path: Path) -> tuple[bytes, str, Manifest | None, Manifest | None]:
    """Return bytes, SHA-256, the manifest beside them, and the one of it and the pending one that describes them."""
    raw = _read(path)
    digest = hashlib.sha256(raw).hexdigest()
    stated = _read_manifest(manifest_path(path), path)
    pending = _read_manifest(pending_manifest_path(path), path)
    fitting = [found for found in (stated, pending) if found is not None and found.engine.sha256 == digest]
    return raw, digest, stated, fitting[0] if fitting else None


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, ENGINE_LIMIT)
    except FileNotFoundError as exc:
        raise EngineError(
            f"{path} is not there: expected an engine file; make one with "
            f"`mnv2-edge build-engine MODEL.onnx --calibration FOLDER --output {path}`"
        ) from exc
    except OSError as exc:
        raise EngineError(f"{path} cannot be read ({exc.strerror}): expected an engine file") from exc


def _read_manifest(beside: Path, path: Path) -> Manifest | None:
    if beside == path:
        return None
    try:
        raw = read_regular(beside, SETTINGS_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise EngineError(f"{beside} cannot be read ({exc.strerror}): expected the manifest of {path.name}") from exc
    manifest = decode_manifest(raw, beside)
    if manifest is None:
        _log.warning("%s is not a manifest: it is ignored", beside)
    return manifest


def _kind(path: Path, raw: bytes, manifest: Manifest | None) -> EngineKind:
    if path.suffix in _MODEL_SUFFIXES and not is_tflite(raw):
        raise EngineError(
            f"{path} is a model, expected an engine: build one with "
            f"`mnv2-edge build-engine {path} --calibration FOLDER --output {path.with_suffix('.tflite')}`"
        )
    if path.suffix in PLAN_SUFFIXES or (manifest is not None and manifest.target == "tensorrt"):
        return "tensorrt"
    if not is_tflite(raw):
        raise EngineError(
            f"{path} is not a TFLite file ({len(raw)} bytes, without the identifier TFL3): expected an engine made by "
            "`mnv2-edge build-engine MODEL.onnx`, or any other .tflite"
        )
    return "litert"
