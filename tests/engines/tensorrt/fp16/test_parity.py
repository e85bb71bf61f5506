"""FP16 against float on trained networks and real photographs, each activation rounded as a GPU would."""

import numpy as np
import onnxruntime
import pytest

from mnv2_engines.parity import Noise
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensorrt.fp16.conversion import to_fp16
from mnv2_engines.tensorrt.onnx_file import load_model
from support.half_emulation import emulate_half


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def cut_before_softmax(model):
    """Make the logits the output."""
    graph = model.graph
    (softmax,) = [node for node in graph.node if node.op_type == "Softmax"]
    kept = [node for node in graph.node if node.op_type not in {"Softmax", "Identity"}]
    del graph.node[:]
    graph.node.extend(kept)
    graph.output[0].name = softmax.input[0]


def photographs(shared, size, every):
    import cv2

    for path in sorted((shared / "calibration").glob("*.png"))[every - 1 :: every]:
        picture, _ = fit_picture(cv2.imread(str(path)), "BGR", size, size, Preprocess())
        yield ((picture.astype(np.float32) - 127.5) / 127.5).transpose(2, 0, 1)[np.newaxis]


ALL = pytest.param(1, marks=pytest.mark.acceptance)


@pytest.fixture(scope="module", params=[4, ALL])
def imagenet(request, shared):
    """Return float and FP16 logits of the calibration crops: [pictures, classes]."""
    model = load_model(shared / "models" / "mobilenet_v2_1.0_224.onnx")
    cut_before_softmax(model)
    reference, half = session(model), session(emulate_half(to_fp16(model).model))
    pairs = [
        (reference.run(None, {"input": values})[0][0], half.run(None, {"input": values})[0][0])
        for values in photographs(shared, 224, request.param)
    ]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def test_the_imagenet_network_follows_float(imagenet):
    levels = []
    for wanted, got in zip(*imagenet, strict=True):
        noise = Noise()
        noise.add(wanted, got)
        levels.append(noise.sqnr_db)
    assert min(levels) >= 38.0
    assert np.median(levels) >= 45.0


def test_the_imagenet_network_says_the_same(imagenet):
    wanted, got = imagenet
    assert np.mean(wanted.argmax(axis=1) == got.argmax(axis=1)) >= 0.99
