"""The reader of an engine file and its manifest, which refuses an engine that was changed after verification."""

import hashlib
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mnv2_engines.backends.format import HEAD_BYTES, EngineFormat
from mnv2_engines.backends.registry import detect_format, find_format, formats
from mnv2_engines.engine.manifest import Manifest, decode_manifest, manifest_path, pending_manifest_path
from mnv2_engines.engine.rebuild_hint import how_to_rebuild
from mnv2_engines.engine.sidecar import Sidecar, read_sidecar
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import ContractError, CorruptEngineError, EngineError, UnknownFormatError
from mnv2_engines.files.regular_file import ENGINE_LIMIT, SETTINGS_LIMIT, read_regular
from mnv2_engines.labels import read_labels
from mnv2_engines.preprocessing.preprocess import Preprocess

__all__ = ["Engine", "is_engine_file", "read_engine"]

_log = logging.getLogger(__name__)

_MODEL_SUFFIXES: Final = frozenset({".onnx", ".h5", ".keras", ".pt", ".pth", ".pb"})
_LOOKS: Final = 10
_BETWEEN_LOOKS_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine file that may be run, and what is known about it."""

    path: Path
    kind: str
    """Name of its format."""
    name: str
    sha256: str
    preprocess: Preprocess | None
    """What the engine needs; None when nothing states it (a bare file)."""
    task: str | None
    labels: tuple[str, ...] | None
    manifest: Manifest | None
    """None for a bare file."""
    sidecar: Sidecar = field(default_factory=Sidecar)
    """What FILE.yaml beside a bare file states; empty for an engine with a manifest, which says all of it."""

    @property
    def format(self) -> EngineFormat:
        """Return the format of the file. Raises UnknownFormatError when its package has gone."""
        return find_format(self.kind)

    def require_manifest(self) -> Manifest:
        """Return the manifest. Raises EngineError for a bare file."""
        if self.manifest is None:
            raise EngineError(f"{self.path} has no manifest", how_to_rebuild(self.path))
        return self.manifest

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
    """Read an engine file and, when it is there, its manifest FILE.json, which says what format it is of.

    The file is hashed, nothing is loaded. A bare file of a portable format is accepted with a warning; FILE.yaml beside
    it may state what a MODEL.yaml does. An installation that was cut short between its files still has its manifest
    under a pending name, which counts. Raises EngineError for a file that is missing or no engine, UnknownFormatError
    for one of a format that no installed package reads, ModelError and LabelsError for what FILE.yaml says,
    CorruptEngineError when its bytes are not the ones that the manifest describes.
    """
    raw, digest, manifest = _read_pair(path)
    form = _find_format(path, manifest) if manifest is not None else _detect_format(path, raw)
    kind = form.name
    if manifest is None:
        if not form.portable:
            raise EngineError(
                f"{path} has no manifest {manifest_path(path).name} beside it: a {form.title} engine is a program for "
                "one device, expected one that was built and verified on this one with `mnv2-edge build-engine "
                "MODEL.onnx`"
            )
        _log.warning("%s has no manifest: it runs unverified; SHA-256 %s", path, digest)
        return _bare_engine(path, kind, digest)
    try:
        preprocess = manifest.preprocess_engine.value()
    except ContractError as exc:
        raise CorruptEngineError(f"{manifest_path(path)} makes no sense: {exc}") from exc
    return Engine(path, kind, manifest.name, digest, preprocess, manifest.task, manifest.labels, manifest)


def _bare_engine(path: Path, kind: str, digest: str) -> Engine:
    """Return an engine without manifest, with what a FILE.yaml beside it states, as beside a model."""
    sidecar = read_sidecar(path)
    labels = sidecar.labels
    if sidecar.labels_file is not None:
        labels = tuple(read_labels(sidecar.labels_file))
    return Engine(path, kind, path.stem, digest, None, sidecar.task, labels, None, sidecar)


def is_engine_file(path: Path) -> bool:
    """Return whether an installed format claims a file by its ending as an engine that runs as it is."""
    return any(path.suffix in form.suffixes for form in formats())


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
            f"{stated.engine.sha256[:12]}",
            how_to_rebuild(path, stated.model.file),
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


def _find_format(path: Path, manifest: Manifest) -> EngineFormat:
    """Return the format that the manifest names.

    What is called like a program for one device is taken for one whatever its papers say, and never opened elsewhere.
    """
    try:
        stated = find_format(manifest.target)
    except UnknownFormatError as exc:
        raise UnknownFormatError(f"{path} cannot be run here: {exc}") from exc
    if path.suffix in stated.suffixes:
        return stated
    called = next((form for form in formats() if path.suffix in form.suffixes), stated)
    return stated if called.portable else called


def _detect_format(path: Path, raw: bytes) -> EngineFormat:
    found = detect_format(path, raw)
    if found is not None and (found.has_magic is None or found.has_magic(raw[:HEAD_BYTES])):
        return found
    if found is None and path.suffix in _MODEL_SUFFIXES:
        raise EngineError(
            f"{path} is a model, expected an engine: build one with "
            f"`mnv2-edge build-engine {path} --calibration FOLDER --output {path.with_suffix('.tflite')}`"
        )
    if found is not None:
        raise EngineError(
            f"{path} is not a file of {found.title} ({len(raw)} bytes, which begin otherwise): expected an engine "
            f"made by `mnv2-edge build-engine MODEL.onnx`, or any other {found.suffixes[0]}"
        )
    endings = ", ".join(suffix for form in formats() for suffix in form.suffixes)
    raise EngineError(
        f"{path} is of no format that is installed here ({len(raw)} bytes): expected an engine made by `mnv2-edge "
        f"build-engine MODEL.onnx`, or any file that ends in one of {endings}"
    )
