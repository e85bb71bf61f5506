"""The engine that a configuration means, opened with everything that feeds and reads it."""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from mnv2_edge.config.model import EngineConfig, TaskConfig
from mnv2_edge.environment import Environment
from mnv2_edge.errors import ConfigError
from mnv2_edge.inference.hot_swap import begin_rebuilding
from mnv2_edge.inference.models import pulled_model
from mnv2_edge.inference.network import Network
from mnv2_edge.plugins import load_plugin
from mnv2_engines.backends import Backend
from mnv2_engines.backends.format import EngineFormat
from mnv2_engines.building.verification import class_count
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.reference import EngineFile, EngineReference
from mnv2_engines.errors import SignatureError
from mnv2_engines.labels import embedded_labels, read_labels
from mnv2_engines.preprocessing.frame_path import default_preprocess
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.proof.self_test import ensure_tested, recheck_engine
from mnv2_engines.store import Store
from mnv2_engines.store.readiness import make_ready
from mnv2_engines.store.reference import DefaultEngine, StoredEngine, choose_stored
from mnv2_engines.store.version import Version
from mnv2_engines.tasks import Task, TaskOptions
from mnv2_engines.tensors import TensorSpec

__all__ = ["engine_reference", "load_network", "make_task", "open_network"]

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def open_network(
    config: EngineConfig, task: TaskConfig, labels_file: str | None, environment: Environment
) -> Iterator[tuple[Network, tuple[str, ...]]]:
    """Verify and load the engine, and make the task that reads it; give them with the labels (maybe none)."""
    with contextlib.closing(engine_reference(config, environment)) as reference:
        network = load_network(reference.read(), config, task, labels_file, environment)
    with contextlib.closing(network):
        yield network, network.labels


def engine_reference(
    config: EngineConfig, environment: Environment, *, serve_meanwhile: bool = False
) -> EngineReference:
    """Return a reference to the engine that `config` means: stored, pulled or a file; else the default or the demo's.

    With `build` a stored one is built first where that is needed; with `serve_meanwhile` another engine of the same
    network, if there is one, stands in for one that has to be built again for this device. Raises UnknownEngineError
    for a name that is nowhere. The caller closes it.
    """
    if config.require_signed:
        return _signed_reference(config, environment)
    pulled = pulled_model(config.model, environment)
    if pulled is not None:
        return EngineFile(pulled)
    store = Store(environment.home)
    name = choose_stored(store, config.model)
    if name is not None:
        rebuilding = begin_rebuilding(store, name) if config.build == "stale" and serve_meanwhile else None
        if rebuilding is not None:
            return rebuilding
        if config.build != "never":
            cores = len(os.sched_getaffinity(0))
            make_ready(store, name, config.build, threads=cores, cache_dir=environment.cache)
        return DefaultEngine(store) if config.model is None else StoredEngine(store, name)
    if config.model is not None:
        if config.build != "never":
            _log.warning("build: %s has no effect on a file: %s is run as it is", config.build, config.model)
        return EngineFile(Path(config.model))
    _log.warning(
        "no engine is given and none was built, so the demo network runs, which knows road signs only; for a real one: "
        "`mnv2-edge models list`, `mnv2-edge build-engine MODEL.onnx --calibration FOLDER`, or --model FILE.tflite"
    )
    return EngineFile(demo_engine_path())


def _signed_reference(config: EngineConfig, environment: Environment) -> EngineReference:
    """Point at an engine of the store that a trusted key must have signed, whenever it is read anew."""
    from mnv2_engines.files.signing import TrustedKeys
    from mnv2_engines.store.signatures import require_signature

    file = Path(config.trusted_keys or "")

    def check(version: Version) -> None:
        verified = require_signature(version, TrustedKeys.read(file))  # a key may have been taken out of it since
        _log.info("%s is signed by the key %s: %s", version.name, verified.key_id, verified.comment)

    store = Store(environment.home)
    name = choose_stored(store, config.model)
    if name is None:
        raise SignatureError(
            f"{config.model or 'the demo network'} is not an engine of the store, and the configuration has "
            f"require_signed: `mnv2-edge engines import --trust {file} FILE.mnv2`"
        )
    return DefaultEngine(store, check) if config.model is None else StoredEngine(store, name, check)


def load_network(
    engine: Engine, config: EngineConfig, task: TaskConfig, labels_file: str | None, environment: Environment
) -> Network:
    """Test and open an engine that was read, and make the task that reads it; the caller closes it."""
    ensure_tested(engine, environment.cache)
    options = _format_options(config, engine.format)
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(contextlib.closing(engine.format.open(engine.path, options)))
        recheck_engine(backend, engine)
        _warn_when_slow(backend, engine)
        classes = class_count(backend.output_specs, task.name or engine.task)
        labels, labels_source = _labels(labels_file, engine, classes)
        network = Network(
            backend=backend,
            task=make_task(task, engine, backend, labels, labels_source),
            preprocess=_preprocess(config, engine, backend.input_spec),
            engine_id=engine.id,
            resize_quality=config.resize_quality,
            labels=labels or (),
        )
        stack.pop_all()  # from here on the network closes the backend
        return network


def _format_options(config: EngineConfig, form: EngineFormat) -> msgspec.Struct:
    """Return what the configuration says to a format, the number of threads to one that has threads."""
    has_threads = any(field.name == "threads" for field in msgspec.structs.fields(form.options))
    common = {"threads": config.threads} if has_threads and config.threads is not None else {}
    try:
        return msgspec.convert({**common, **config.options.get(form.name, {})}, form.options)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"engine.options.{form.name}: {exc}") from exc


def _warn_when_slow(backend: Backend, engine: Engine) -> None:
    report = backend.report()
    _log.info("%s runs on %s, %s", engine.id, report.runtime, report.device)
    if report.postprocess_operators:
        _log.info("behind the accelerated part: %s", ", ".join(report.postprocess_operators))
    if not report.accelerated:
        left = ", ".join(report.fallback_operators) or "all of it"
        _log.warning("%s is not accelerated as a whole: plain kernels run %s; %s", engine.id, left, report.hint)


def _labels(file: str | None, engine: Engine, classes: int | None) -> tuple[tuple[str, ...] | None, str]:
    """Return the labels and where they come from: the file, what lies beside the engine, or the engine file itself."""
    if file is not None:
        return read_labels(Path(file), classes), file
    if engine.labels is not None or engine.manifest is not None:
        return engine.labels, f"the {'manifest' if engine.manifest else 'MODEL.yaml'} of {engine.path}"
    return embedded_labels(engine.path), str(engine.path)


def make_task(
    config: TaskConfig, engine: Engine, backend: Backend, labels: tuple[str, ...] | None, labels_source: str
) -> Task:
    """Make the task that reads `backend`, by what the configuration and the engine say. Raises what the task raises."""
    make = load_plugin("mnv2_engines.tasks", config.name or engine.task or "classify")
    options = TaskOptions(
        outputs=backend.output_specs,
        input=backend.input_spec,
        final_operators=_final_operators(engine, backend),
        labels=labels,
        labels_source=labels_source,
        top_k=config.top_k,
        score_threshold=config.score_threshold,
        thresholds=config.thresholds,
        groups=config.groups,
        softmax=config.softmax,
        detection=engine.detection,
        segmentation=engine.segmentation,
        mask=config.mask,
        mask_size=config.mask_size,
    )
    return cast("Task", make(options))


def _final_operators(engine: Engine, backend: Backend) -> tuple[str, ...]:
    """Return per output what makes it: the backend knows, or the manifest does; empty when neither."""
    known = backend.report().final_operators
    if known or engine.manifest is None:
        return known
    written = engine.manifest.final_operators
    return tuple(written.get(spec.name, "") for spec in backend.output_specs) if written else ()


def _preprocess(config: EngineConfig, engine: Engine, spec: TensorSpec) -> Preprocess:
    """Return the engine's own contract, or what its input implies, with what the configuration says instead."""
    beside = engine.sidecar
    stated = engine.preprocess
    if spec.quantization is not None and engine.path.with_suffix(".onnx").exists():
        # Then FILE.yaml describes FILE.onnx. An engine that was made of it may have mean and std in its first
        # convolution, and without its manifest only its input says what it takes.
        beside = dataclasses.replace(beside, mean=None, std=None)
    if stated is None:
        stated = default_preprocess(spec)
        if spec.quantization is None and config.mean is None and beside.mean is None:
            _log.warning("%s does not say its mean and std: 127.5 is taken for both; else --mean and --std", engine.id)
    return Preprocess(
        color=config.color or beside.color or stated.color,
        mean=config.mean or beside.mean or stated.mean,
        std=config.std or beside.std or stated.std,
        resize=ResizePolicy.parse(config.resize) if config.resize else beside.resize or stated.resize,
    )
