"""The steps of a build: make it, verify it on pictures that calibration never saw, install it with its manifest."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mnv2_engines.building.builders import BuildProgress, Candidate, EngineBuilder, versions_of
from mnv2_engines.building.builders.litert import LiteRtBuilder
from mnv2_engines.building.builders.tensorrt import TensorRtBuilder
from mnv2_engines.building.diagnosis import explain_doubt, find_causes, is_doubtful
from mnv2_engines.building.request import BuildRequest, BuildResult, Pictures, hold_out
from mnv2_engines.building.verification import find_faults
from mnv2_engines.engine.device import describe_device
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.engine.facts import AcceptedLoss, CalibrationFacts, EngineKind, FileFacts, PreprocessFacts
from mnv2_engines.engine.install import install_engine, refuse_foreign_files
from mnv2_engines.engine.manifest import Manifest, encode_manifest
from mnv2_engines.errors import ModelError
from mnv2_engines.files.regular_file import MODEL_LIMIT, open_regular
from mnv2_engines.proof.self_test import remember_tested

__all__ = ["BuildProgress", "BuildRequest", "BuildResult", "Pictures", "build_engine", "hold_out"]

_BUILDERS: Final[Mapping[EngineKind, EngineBuilder]] = MappingProxyType(
    {"litert": LiteRtBuilder(), "tensorrt": TensorRtBuilder()}
)
_READ_BYTES: Final = 1 << 20


def build_engine(
    request: BuildRequest,
    progress: BuildProgress = lambda _phase, _done, _total: None,
    builders: Mapping[EngineKind, EngineBuilder] = _BUILDERS,
) -> BuildResult:
    """Make an engine of the model, verify it, and put it in place with its manifest, replacing an older pair.

    A result that fails verification is kept aside and nothing is replaced, unless `accept_loss` says otherwise; what
    its runtime crashes on is never installed. Raises ModelError for a model that cannot be built, BuildError for files
    that cannot be written, BackendUnavailableError for a target that cannot be built here, CorruptEngineError when the
    engine does not survive its first load.
    """
    clock = _PhaseClock(progress)
    refuse_foreign_files(request.output)
    model_facts = _model_facts(request.model)
    builder = builders[request.target]
    candidate = builder.build(request, clock)
    faults = find_faults(candidate.verification, request.limits)
    clock("explain", 0, 1)
    causes = _explain(candidate, request, faults)
    clock("explain", 1, 1)
    installed = not faults or request.accept_loss
    path = request.output if installed else request.output.with_suffix(f".rejected{request.output.suffix}")
    clock("install", 0, 1)
    accepted = _accepted_loss(request, faults) if installed and faults else None
    manifest = _describe(candidate, request, path, model_facts, accepted)
    install_engine(path, candidate.engine, encode_manifest(manifest), builder.check_first_load)
    remember_tested(read_engine(path), request.cache_dir)
    clock("install", 1, 1)
    return BuildResult(path, installed, manifest, candidate.verification, faults, causes, clock.seconds)


class _PhaseClock:
    """Forwarder of progress, which adds up how long each phase took."""

    def __init__(self, progress: BuildProgress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._last_ns = time.monotonic_ns()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Add the time since the last call to the phase that reports now."""
        now_ns = time.monotonic_ns()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + (now_ns - self._last_ns) / 1e9
        self._last_ns = now_ns
        self._progress(phase, done, total)


def _explain(candidate: Candidate, request: BuildRequest, faults: Sequence[str]) -> tuple[str, ...]:
    reference, found, items = candidate.reference, candidate.verification, request.validation.items
    if faults:
        causes = find_causes(reference, found, items, len(request.calibration.items), request.threads)
        return (*causes, *candidate.doubts)
    doubt = explain_doubt(reference, found, items, request.threads) if is_doubtful(found) else None
    return (doubt,) if doubt is not None else ()


def _describe(
    candidate: Candidate, request: BuildRequest, path: Path, model: FileFacts, accepted: AcceptedLoss | None
) -> Manifest:
    engine = candidate.engine
    return Manifest(
        name=request.name,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        builder=f"mnv2-edge {versions_of('mnv2-edge').get('mnv2-edge', 'unknown')}",
        target=request.target,
        precision=request.precision,
        engine=FileFacts(file=path.name, sha256=hashlib.sha256(engine).hexdigest(), bytes=len(engine)),
        model=model,
        built_on=describe_device(),
        runtimes=dict(candidate.runtimes),
        preprocess_engine=PreprocessFacts.of(candidate.preprocess),
        preprocess_model=PreprocessFacts.of(request.preprocess),
        task=request.task,
        labels=request.labels,
        detection=request.detection,
        segmentation=request.segmentation,
        calibration=_calibration_facts(request),
        verification=candidate.verification.facts,
        golden=candidate.golden,
        accepted_loss=accepted,
        tensorrt=candidate.tensorrt,
        final_operators=dict(candidate.final_operators),
    )


def _calibration_facts(request: BuildRequest) -> CalibrationFacts | None:
    if request.precision != "int8":
        return None
    return CalibrationFacts(source=request.calibration.source, images=len(request.calibration.items))


def _accepted_loss(request: BuildRequest, faults: Sequence[str]) -> AcceptedLoss:
    limits = request.limits
    return AcceptedLoss(reasons=tuple(faults), min_sqnr_db=limits.sqnr_db, min_agreement=limits.agreement)


def _model_facts(path: Path) -> FileFacts:
    digest = hashlib.sha256()
    size = 0
    try:
        with open_regular(path, MODEL_LIMIT) as file:
            while part := file.read(_READ_BYTES):
                digest.update(part)
                size += len(part)
    except FileNotFoundError as exc:
        raise ModelError(f"{path} is not there: expected an ONNX file") from exc
    except OSError as exc:
        raise ModelError(f"{path} cannot be read ({exc.strerror}): expected an ONNX file") from exc
    return FileFacts(file=path.name, sha256=digest.hexdigest(), bytes=size)
