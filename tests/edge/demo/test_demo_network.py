"""The network in the package, judged on frames that only the judge knows the truth of."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest

from mnv2_edge.demo import FRAMES_PER_SIGN, SIGN_NAMES, render, true_class
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine.engine import Engine, read_engine
from mnv2_engines.engine.sidecar import choose_preprocess, read_sidecar
from mnv2_engines.labels import read_labels
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizeQuality
from mnv2_engines.tensors import TensorArray, TensorSpec

FRESH_FILM = 30_011
FRAMES = 200


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "engines" / "mnv2_engines" / "demo"


@pytest.fixture(scope="module")
def model(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / "demo.onnx")


def dimensions(value: onnx.ValueInfoProto) -> list[int]:
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def test_the_model_is_valid_and_small(folder: Path, model: onnx.ModelProto):
    onnx.checker.check_model(model, full_check=True)
    assert (folder / "demo.onnx").stat().st_size < 2_000_000
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [17]


def test_the_model_takes_one_picture_and_gives_logits(model: onnx.ModelProto):
    assert [(value.name, dimensions(value)) for value in model.graph.input] == [("input", [1, 3, 96, 96])]
    assert [(value.name, dimensions(value)) for value in model.graph.output] == [("logits", [1, len(SIGN_NAMES)])]
    assert "Softmax" not in {node.op_type for node in model.graph.node}


def test_the_stated_contract_is_the_one_it_was_trained_with(folder: Path):
    stated = read_sidecar(folder / "demo.onnx")
    assert choose_preprocess(stated) == Preprocess()
    assert stated.mean is not None
    assert stated.task == "classify"
    assert stated.labels_file is not None
    assert read_labels(stated.labels_file) == SIGN_NAMES


def test_the_graph_is_the_papers(model: onnx.ModelProto):
    """52 convolutions, a shortcut in every repeated block but the first, and the 1280 channels of a narrow network."""
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["Conv"] == 1 + 2 + 16 * 3 + 1
    assert operators["Add"] == 1 + 2 + 3 + 2 + 2
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    convolutions = [weights[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions[0] == [16, 3, 3, 3]
    assert convolutions[-1] == [1280, 112, 1, 1]


SIZES_AND_QUALITIES = [((320, 240), "antialias"), ((640, 480), "fast")]


def share_right(
    preparer: FramePreparer, picture: TensorArray, infer: Callable[[TensorArray], TensorArray], size: tuple[int, int]
) -> float:
    right = 0
    for number in range(FRAMES):
        index = number * FRAMES_PER_SIGN + number % FRAMES_PER_SIGN
        preparer.prepare(render(FRESH_FILM, index, size), "RGB", picture)
        right += int(infer(picture).argmax()) == true_class(FRESH_FILM, index)
    return right / FRAMES


@pytest.mark.parametrize(("size", "quality"), SIZES_AND_QUALITIES)
def test_it_reads_the_signs_of_fresh_frames(folder: Path, size: tuple[int, int], quality: ResizeQuality):
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "demo.onnx", options)
    preparer = FramePreparer(TensorSpec("input", (1, 3, 96, 96), "float32", "NCHW"), Preprocess(), quality)
    picture = np.zeros((1, 3, 96, 96), np.float32)
    assert share_right(preparer, picture, lambda filled: session.run(None, {"input": filled})[0], size) >= 0.95


@pytest.fixture(scope="module")
def engine() -> Engine:
    return read_engine(demo_engine_path())


def test_the_engine_is_small_and_was_made_of_the_model(folder: Path, engine: Engine):
    assert engine.path.stat().st_size < 1_000_000
    assert engine.manifest is not None
    assert engine.manifest.model.sha256 == hashlib.sha256((folder / "demo.onnx").read_bytes()).hexdigest()
    assert engine.manifest.preprocess_model.value() == Preprocess()
    assert engine.labels == SIGN_NAMES
    assert engine.task == "classify"


@pytest.mark.parametrize(("size", "quality"), SIZES_AND_QUALITIES)
def test_the_engine_reads_the_signs_too(engine: Engine, size: tuple[int, int], quality: ResizeQuality):
    assert engine.preprocess is not None
    with closing(LiteRtBackend(engine.path)) as backend:
        assert backend.report().accelerated
        preparer = FramePreparer(backend.input_spec, engine.preprocess, quality)
        picture = backend.allocate_input()
        assert share_right(preparer, picture, lambda filled: backend.infer(filled)[0], size) >= 0.95


def test_no_path_of_the_machine_that_built_it_is_published(engine: Engine):
    text = engine.path.with_suffix(".json").read_text(encoding="utf-8")
    assert "/" not in json.loads(text)["calibration"]["source"]
    assert "/" not in json.loads(text)["verification"]["source"]
