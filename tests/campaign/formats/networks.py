"""Engines with a good checksum, manifests, ONNX networks, and what `engines export` writes."""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np

from campaign.mutators import mutate, mutate_tar, mutate_tree, to_json
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.files.checked_json import checksum
from mnv2_engines.networks import NetworkWeights, classifier_head, write_network
from support.command import call
from support.networks import TINY, lively_weights

if TYPE_CHECKING:
    import onnx as onnx_types

LOOK = ("--camera", "picture.png", "--max-frames", "1", "--format", "jsonl")


def prepare(samples: Path) -> None:
    """Write a tiny network, its engine and its bundle, and the demo engine."""
    demo = demo_engine_path()
    shutil.copy(demo, samples / "demo.tflite")
    shutil.copy(demo.with_suffix(".json"), samples / "demo.json")
    features, kernel, bias = lively_weights()
    (samples / "tiny.onnx").write_bytes(write_network(TINY, NetworkWeights(features, classifier_head(kernel, bias))))
    photos = samples / "photos"
    photos.mkdir()
    draw = np.random.default_rng(1)
    for number in range(4):
        small = draw.integers(0, 255, (8, 8, 3), np.uint8)
        cv2.imwrite(str(photos / f"{number}.png"), cv2.resize(small, (48, 48), interpolation=cv2.INTER_CUBIC))
    shutil.copy(photos / "0.png", samples / "picture.png")
    home = samples / "home"
    build = ("build-engine", samples / "tiny.onnx", "--calibration", photos, "--accept-loss")
    for command in (
        (*build, "--name", "tiny"),
        ("engines", "export", "tiny", samples / "tiny.mnv2"),
        (*build, "--output", samples / "tiny.tflite"),
    ):
        done = call(*command, home=home, timeout_s=300)
        if done.returncode:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")


def engine(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage an engine; its manifest holds the checksum of what it has become, or is not there."""
    name = draw.choice(("tiny", "tiny", "demo"))
    raw = mutate(draw, (samples / f"{name}.tflite").read_bytes())
    (folder / "e.tflite").write_bytes(raw)
    if draw.random() < 0.7:
        stated = json.loads((samples / f"{name}.json").read_bytes())
        stated["engine"].update(sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw), file="e.tflite")
        if draw.random() < 0.3:
            stated["golden"] = None
        (folder / "e.json").write_bytes(_seal(stated))
    if draw.random() < 0.15:
        return ["inspect", "e.tflite", *draw.choice(([], ["--json"], ["--summary"]))]
    shutil.copy(samples / "picture.png", folder)
    return ["run", "--model", "e.tflite", *LOOK]


def manifest(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage what stands beside a good engine."""
    name = draw.choice(("tiny", "demo"))
    shutil.copy(samples / f"{name}.tflite", folder / "e.tflite")
    shutil.copy(samples / "picture.png", folder)
    raw = (samples / f"{name}.json").read_bytes()
    (folder / "e.json").write_bytes(
        mutate(draw, raw) if draw.random() < 0.2 else _seal(mutate_tree(draw, json.loads(raw)))
    )
    return ["run", "--model", "e.tflite", *LOOK]


def onnx(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage an ONNX file, or what its protocol buffer says."""
    raw = (samples / "tiny.onnx").read_bytes()
    (folder / "m.onnx").write_bytes(mutate(draw, raw) if draw.random() < 0.6 else _other_graph(draw, raw))
    kind = draw.random()
    if kind < 0.75:
        return ["inspect", "m.onnx", *draw.choice(([], ["--json"], ["--summary"]))]
    if kind < 0.9:
        return ["models", "add", "m.onnx", "--name", "m"]
    return ["build-engine", "m.onnx", "--calibration", str(samples / "photos"), "--output", "e.tflite", "--accept-loss"]


def bundle(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage an exported engine, as bytes or as an archive."""
    raw = (samples / "tiny.mnv2").read_bytes()
    (folder / "b.mnv2").write_bytes(mutate(draw, raw) if draw.random() < 0.4 else mutate_tar(draw, raw))
    return ["engines", "import", "b.mnv2"]


def _seal(tree: dict[str, object]) -> bytes:
    """Write a manifest whose own checksum fits, so that what it says is read."""
    try:
        return to_json({**tree, "checksum": checksum(tree)})
    except (ValueError, TypeError, OverflowError, UnicodeError, msgspec.EncodeError):
        return to_json(tree)  # holds what no checksum can be made of


def _other_graph(draw: random.Random, raw: bytes) -> bytes:
    import onnx

    model = onnx.load_from_string(raw)
    graph = model.graph
    for _ in range(draw.choice((1, 1, 2))):
        kind = draw.random()
        if kind < 0.45:
            _damage_node(draw, graph)
        elif kind < 0.8:
            _damage_weight(draw, draw.choice(graph.initializer), onnx.TensorProto.EXTERNAL)
        elif kind < 0.9:
            shape = graph.input[0].type.tensor_type.shape
            draw.choice(shape.dim).dim_value = draw.choice((0, -5, 1, 2**31, 2**50, 70_000))
        else:
            model.opset_import[0].version = draw.choice((0, 1, 7, 99, -1, 2**40))
    return bytes(model.SerializeToString())


def _damage_node(draw: random.Random, graph: "onnx_types.GraphProto") -> None:
    node = draw.choice(graph.node)
    match draw.randrange(5):
        case 0:
            node.op_type = draw.choice(("Loop", "If", "Gemm", "Evil", "Reshape", "Resize", "", "Concat", "Slice"))
        case 1 if node.attribute:
            attribute = draw.choice(node.attribute)
            attribute.ints[:] = draw.choice(([], [0, 0], [-1, -1, -1, -1], [2**31] * 4, [1] * 50))
            attribute.i = draw.choice((0, -1, 2**40))
        case 2 if node.input:
            node.input[draw.randrange(len(node.input))] = draw.choice((node.output[0], "", "nobody"))
        case 3:
            graph.node.remove(node)
        case _:
            graph.node.append(node)


def _damage_weight(draw: random.Random, weight: "onnx_types.TensorProto", external: int) -> None:
    match draw.randrange(4):
        case 0:
            weight.dims[:] = draw.choice(([], [0], [-1], [2**31, 2**31], [2**62, 4], [*weight.dims, 1]))
        case 1:
            weight.data_type = draw.randrange(0, 24)
        case 2:
            weight.name = draw.choice(("", "x", "a" * 70_000))
        case _:
            weight.data_location = external
            entry = weight.external_data.add()
            entry.key, entry.value = "location", draw.choice(("/etc/passwd", "../../../x", "/dev/zero", "m.onnx", ""))
