"""Fixtures for the tests of engines."""

import hashlib
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mnv2_edge.demo import render
from mnv2_engines.engine.facts import DeviceFacts, FileFacts, PreprocessFacts
from mnv2_engines.engine.manifest import Manifest, encode_manifest, manifest_path
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import UInt8Array
from mnv2_engines.tflite import CompiledModel, compile_model


def describe(engine: bytes, **changes: object) -> Manifest:
    """Return a valid manifest of these engine bytes."""
    facts: dict[str, object] = {
        "name": "signs",
        "created": "2026-01-02T03:04:05Z",
        "builder": "mnv2-edge 0.1.0",
        "target": "litert",
        "precision": "int8",
        "engine": FileFacts(file="signs.tflite", sha256=hashlib.sha256(engine).hexdigest(), bytes=len(engine)),
        "model": FileFacts(file="signs.onnx", sha256="0" * 64, bytes=1),
        "built_on": DeviceFacts(machine="aarch64", board="a board", cpu="a cpu", fingerprint="f" * 16),
        "runtimes": {"ai-edge-litert": "2.3.0"},
        "preprocess_engine": PreprocessFacts.of(Preprocess()),
        "preprocess_model": PreprocessFacts.of(Preprocess("BGR", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))),
        "task": "classify",
        "labels": ("go", "stop"),
    }
    return Manifest(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def describe_engine() -> Callable[..., Manifest]:
    """Return the function that describes engine bytes by a valid manifest; keyword arguments replace fields."""
    return describe


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an engine with its manifest and returns the engine's path."""

    def write(engine: bytes, **changes: object) -> Path:
        path = tmp_path / "signs.tflite"
        path.write_bytes(engine)
        manifest_path(path).write_bytes(encode_manifest(describe(engine, **changes)))
        return path

    return write


@pytest.fixture(scope="session")
def signs_model(root: Path) -> Path:
    """Return the demo network: small, trained, and in the package."""
    return root / "engines" / "mnv2_engines" / "demo" / "demo.onnx"


@pytest.fixture(scope="session")
def signs_pictures() -> list[UInt8Array]:
    """Return 40 rendered scenes as the demo network sees them, RGB."""
    return [fit_picture(render(5, 40 * scene), "RGB", 96, 96, Preprocess())[0] for scene in range(40)]


@pytest.fixture(scope="session")
def signs(signs_model: Path, signs_pictures: list[UInt8Array]) -> CompiledModel:
    """Return the demo network, calibrated on the first 24 pictures."""
    return compile_model(signs_model, pictures=signs_pictures[:24], preprocess=Preprocess())


@pytest.fixture
def small_disk():
    """Let no file of this process grow beyond so many bytes, inside of a `with`: the kernel then refuses to write."""

    @contextmanager
    def small_disk(size: int) -> Iterator[None]:
        before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    return small_disk
