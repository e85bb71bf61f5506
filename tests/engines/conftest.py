"""Fixtures for the tests of engines."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mnv2_engines.facts import DeviceFacts, FileFacts, PreprocessFacts
from mnv2_engines.manifest import Manifest, encode_manifest, manifest_path
from mnv2_engines.preprocess import Preprocess


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
