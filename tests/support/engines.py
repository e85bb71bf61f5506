"""Engines to change between: the demo engine under other names, and one that wants another size of picture."""

import hashlib
from pathlib import Path

import msgspec

from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.manifest import decode_manifest, encode_manifest, manifest_path
from mnv2_engines.networks import NetworkWeights, classifier_head, write_network
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compile_model
from support.networks import TINY, lively_weights


def write_engine(path: Path, name: str, content: bytes | None = None, **changes: object) -> str:
    """Put an engine in place as a builder does, by renaming; return what records call it.

    Without `content` it is the demo engine with a name of its own behind its end, where nothing is read.
    """
    demo = demo_engine_path()
    manifest = decode_manifest(manifest_path(demo).read_bytes(), demo)
    assert manifest is not None
    raw = demo.read_bytes() + name.encode() if content is None else content
    digest = hashlib.sha256(raw).hexdigest()
    facts = msgspec.structs.replace(manifest.engine, file=path.name, sha256=digest, bytes=len(raw))
    manifest = msgspec.structs.replace(manifest, name=name, engine=facts, **changes)
    for target, written in ((manifest_path(path), encode_manifest(manifest)), (path, raw)):
        beside = target.with_name(f"{target.name}.new")
        beside.write_bytes(written)
        beside.replace(target)
    return f"{name}@{digest[:12]}"


def write_small_engine(path: Path) -> str:
    """Put a float engine of 32x32 pixels and five classes in place, without a manifest; return what records call it."""
    model = path.with_suffix(".onnx")
    features, kernel, bias = lively_weights()
    model.write_bytes(write_network(TINY, NetworkWeights(features, classifier_head(kernel, bias))))
    raw = compile_model(model, pictures=[], preprocess=Preprocess(), precision="fp32").tflite
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(raw)
    manifest_path(path).unlink(missing_ok=True)
    beside.replace(path)
    return f"{path.stem}@{hashlib.sha256(raw).hexdigest()[:12]}"
