"""Build an engine: compile, verify on pictures that calibration never saw, install with its manifest."""

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.build_request import BuildRequest, BuildResult, Pictures, hold_back
from mnv2_engines.device import describe_device
from mnv2_engines.diagnosis import explain_doubt, find_causes, is_doubtful
from mnv2_engines.engine import read_engine
from mnv2_engines.errors import ModelError
from mnv2_engines.facts import (
    AcceptedLoss,
    CalibrationFacts,
    DeviceFacts,
    FileFacts,
    GoldenTest,
    LayerFacts,
    PreprocessFacts,
)
from mnv2_engines.golden import record_golden, shrink_picture, test_card
from mnv2_engines.install import install_engine, refuse_foreign_files
from mnv2_engines.manifest import Manifest, encode_manifest
from mnv2_engines.pixel_table import pixel_table
from mnv2_engines.selftest import load_in_child, remember_tested
from mnv2_engines.tflite import CompiledModel, compare_layers, compile_model
from mnv2_engines.verification import Verification, find_faults, verify

__all__ = ["BuildProgress", "BuildRequest", "BuildResult", "Pictures", "build_engine", "hold_back"]

BuildProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the phase (read, calibrate, quantise, write, layers, verify, explain, install), done, and in all."""

_LAYER_PICTURES: Final = 8
"""Layers are compared on that many pictures: the ratio of two sums over a layer's activations settles early."""
_READ_BYTES: Final = 1 << 20
_DISTRIBUTIONS: Final = ("ai-edge-litert", "tflite-runtime", "onnx", "numpy")


def build_engine(request: BuildRequest, progress: BuildProgress = lambda _phase, _done, _total: None) -> BuildResult:
    """Compile the model, verify the result, and put it in place with its manifest, replacing an older pair.

    A result that fails verification is kept aside and nothing is replaced, unless `accept_loss` says otherwise; what
    LiteRT crashes on is never installed. Raises ModelError for a model that cannot be compiled, BuildError for files
    that cannot be written, CorruptEngineError when the engine does not survive its first load in a child process.
    """
    clock = _PhaseClock(progress)
    refuse_foreign_files(request.output)
    model_facts = _model_facts(request.model)
    compiled = compile_model(
        request.model,
        pictures=request.calibration.items,
        preprocess=request.preprocess,
        precision=request.precision,
        threads=request.threads,
        progress=clock,
    )
    verification = _verify(compiled, request, clock)
    faults = find_faults(verification, request.limits)
    clock("explain", 0, 1)
    causes = _explain(compiled, verification, request, faults)
    clock("explain", 1, 1)
    installed = not faults or request.accept_loss
    path = request.output if installed else request.output.with_suffix(f".rejected{request.output.suffix}")
    clock("install", 0, 1)
    device = describe_device()
    manifest = Manifest(
        name=request.name,
        created=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        builder=f"mnv2-edge {_version('mnv2-edge') or 'unknown'}",
        target="litert",
        precision=request.precision,
        engine=FileFacts(
            file=path.name, sha256=hashlib.sha256(compiled.tflite).hexdigest(), bytes=len(compiled.tflite)
        ),
        model=model_facts,
        built_on=device,
        runtimes={name: version for name in _DISTRIBUTIONS if (version := _version(name))},
        preprocess_engine=PreprocessFacts.of(compiled.preprocess),
        preprocess_model=PreprocessFacts.of(request.preprocess),
        task=request.task,
        labels=request.labels,
        detection=request.detection,
        segmentation=request.segmentation,
        calibration=_calibration_facts(request),
        verification=verification.facts,
        golden=_golden(compiled, request, device),
        accepted_loss=_accepted_loss(request, faults) if installed and faults else None,
    )
    install_engine(path, compiled.tflite, encode_manifest(manifest), load_in_child)
    engine = read_engine(path)
    remember_tested(engine, request.cache_dir)
    clock("install", 1, 1)
    return BuildResult(path, installed, manifest, verification, faults, causes, clock.seconds)


class _PhaseClock:
    """Pass progress on, and add up how long each phase took."""

    def __init__(self, progress: BuildProgress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._last_ns = time.monotonic_ns()

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Book the time since the last call: it was spent on the phase that reports now."""
        now_ns = time.monotonic_ns()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + (now_ns - self._last_ns) / 1e9
        self._last_ns = now_ns
        self._progress(phase, done, total)


def _verify(compiled: CompiledModel, request: BuildRequest, clock: _PhaseClock) -> Verification:
    layers: tuple[LayerFacts, ...] = ()
    items = request.validation.items if request.precision == "int8" else ()
    if items:
        clock("layers", 0, 1)
        sample = items[:: max(1, len(items) // _LAYER_PICTURES)][:_LAYER_PICTURES]
        layers = tuple(
            LayerFacts(name=loss.node or loss.name, operator=loss.operator, sqnr_db=loss.sqnr_db)
            for loss in compare_layers(compiled, sample, threads=request.threads)
        )
        clock("layers", 1, 1)
    return verify(
        compiled,
        items,
        source=request.validation.source,
        task=request.task,
        layers=layers,
        threads=request.threads,
        progress=lambda done, total: clock("verify", done, total),
    )


def _explain(
    compiled: CompiledModel, found: Verification, request: BuildRequest, faults: Sequence[str]
) -> tuple[str, ...]:
    items = request.validation.items
    if faults:
        return find_causes(compiled, found, items, len(request.calibration.items), request.threads)
    doubt = explain_doubt(compiled, found, items, request.threads) if is_doubtful(found) else None
    return (doubt,) if doubt is not None else ()


def _golden(compiled: CompiledModel, request: BuildRequest, device: DeviceFacts) -> GoldenTest:
    items = request.validation.items
    thumbnail = shrink_picture(items[0] if items else test_card(*compiled.input.size_hw))
    table = pixel_table(compiled.input, compiled.preprocess)
    backend = LiteRtBackend(compiled.tflite, threads=request.threads)
    try:
        return record_golden(backend, table[thumbnail, np.arange(3)], device)
    finally:
        backend.close()


def _calibration_facts(request: BuildRequest) -> CalibrationFacts | None:
    if request.precision == "fp32":
        return None
    return CalibrationFacts(source=request.calibration.source, images=len(request.calibration.items))


def _accepted_loss(request: BuildRequest, faults: Sequence[str]) -> AcceptedLoss:
    limits = request.limits
    return AcceptedLoss(reasons=tuple(faults), min_sqnr_db=limits.sqnr_db, min_agreement=limits.agreement)


def _model_facts(path: Path) -> FileFacts:
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while part := file.read(_READ_BYTES):
                digest.update(part)
                size += len(part)
    except FileNotFoundError as exc:
        raise ModelError(f"{path} is not there: expected an ONNX file") from exc
    except OSError as exc:
        raise ModelError(f"{path} cannot be read ({exc.strerror}): expected an ONNX file") from exc
    return FileFacts(file=path.name, sha256=digest.hexdigest(), bytes=size)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
