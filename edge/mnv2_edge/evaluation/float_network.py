"""The float network that an engine was made of, run beside it."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mnv2_edge.inference.network import Network
from mnv2_engines.backends import Backend
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.engine.engine import Engine
from mnv2_engines.engine.manifest import Manifest
from mnv2_engines.engine.sidecar import choose_preprocess, read_sidecar
from mnv2_engines.errors import ContractError
from mnv2_engines.files.regular_file import MODEL_LIMIT, open_regular
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.store.sources import read_recipe
from mnv2_engines.store.version import SOURCE
from mnv2_engines.tasks import Task
from mnv2_engines.tflite import compile_model

__all__ = ["FloatModel", "choose_float_model", "find_float_model", "open_float_network"]

_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FloatModel:
    """An ONNX file and the pixels that it was trained on."""

    path: Path
    preprocess: Preprocess
    is_origin: bool
    """The engine was built from this very file."""


def find_float_model(engine: Engine) -> FloatModel | None:
    """Find the ONNX file that an engine was built from: beside it or with it in a store, known by its hash."""
    manifest = engine.manifest
    if manifest is None:
        return None
    for path, sha256 in _origins(engine.path, manifest):
        if path.is_file() and _sha256(path) == sha256:
            return FloatModel(path, manifest.preprocess_model.value(), is_origin=True)
    return None


def choose_float_model(path: Path, engine: Engine, stated: Preprocess) -> FloatModel:
    """Take the ONNX file that the user names.

    What it expects of pixels is what the engine's manifest says, if the engine was built from it, else what MODEL.yaml
    beside it says, else what the engine itself is fed with (`stated`). Raises ModelError, ContractError.
    """
    manifest = engine.manifest
    if manifest is not None and path.is_file() and _sha256(path) == manifest.model.sha256:
        return FloatModel(path, manifest.preprocess_model.value(), is_origin=True)
    sidecar = read_sidecar(path)
    own = choose_preprocess(sidecar) if sidecar.mean is not None else stated
    return FloatModel(path, own, is_origin=False)


@contextlib.contextmanager
def open_float_network(
    model: FloatModel, engine: Network, make_task: Callable[[Backend], Task], threads: int
) -> Iterator[Network]:
    """Compile the model to float32 TFLite, in memory, and give a network that takes the engine's frames.

    Frames are fitted as for the engine. Raises ModelError when it cannot be compiled, ContractError when its outputs
    are others than the engine's.
    """
    preprocess = replace(model.preprocess, resize=engine.preprocess.resize)
    compiled = compile_model(model.path, pictures=(), preprocess=preprocess, precision="fp32", threads=threads)
    with contextlib.closing(LiteRtBackend(compiled.tflite, threads=threads)) as backend:
        own, expected = ([math.prod(spec.shape) for spec in one.output_specs] for one in (backend, engine.backend))
        if own != expected:
            raise ContractError(
                f"{model.path} has outputs of {own} numbers, the engine of {expected}: expected the network that the "
                "engine was built from (--float MODEL.onnx), or none (--no-float)"
            )
        yield Network(backend, make_task(backend), preprocess, model.path.name, engine.resize_quality, engine.labels)


def _origins(engine: Path, manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Yield where the model may lie, with the SHA-256 that it then has; a store keeps one of several files as one."""
    yield engine.with_name(manifest.model.file), manifest.model.sha256
    yield engine.with_suffix(".onnx"), manifest.model.sha256
    source = engine.with_name(SOURCE)
    if source.is_dir():
        model = read_recipe(source).model
        yield source / model.file, model.sha256


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open_regular(path, MODEL_LIMIT) as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
