"""Damaged files: whatever the bytes, a model either compiles or is refused with a ModelError."""

import random

import numpy as np
import pytest

from mnv2_engines.errors import ModelError
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compile_model, read_model_interface
from support.onnx_networks import Network, random_pictures

PICTURES = random_pictures(2)


def seeds():
    """Return honest files that between them hold most operators, shape arithmetic and attributes of every type."""
    classifier = Network(opset=13)
    classifier.conv(3, 8, strides=[2, 2], pads=[0, 0, 1, 1])
    classifier.node("Clip", [classifier.last, classifier.constant(np.float32(0)), classifier.constant(np.float32(6))])
    classifier.conv(8, 8, group=8, pads=[1, 1, 1, 1])
    classifier.node("GlobalAveragePool")
    pooled = classifier.last
    shape = classifier.node("Shape")
    batch = classifier.node("Gather", [shape, classifier.constant(np.array([0]))])
    target = classifier.node("Concat", [batch, classifier.constant(np.array([-1]))], axis=0)
    classifier.node("Reshape", [pooled, target])
    weights = classifier.constant(classifier.rng.normal(size=(5, 8)).astype(np.float32))
    classifier.node("Gemm", [classifier.last, weights, classifier.constant(np.ones(5, np.float32))], transB=1)
    classifier.node("Softmax", axis=1)

    mixer = Network(opset=11, seed=1)
    mixer.conv(3, 8, pads=[1, 1, 1, 1], auto_pad="NOTSET")
    left = mixer.node("Relu")
    pool = mixer.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    roi = mixer.constant(np.zeros(0, np.float32))
    grown = mixer.node("Resize", [pool, roi, mixer.constant(np.array([1, 1, 2, 2], np.float32))], mode="linear")
    joined = mixer.node("Concat", [left, grown], axis=1)
    parts = mixer.node("Split", [joined], outputs=2, axis=1, split=[4, 12])
    mixer.node("AveragePool", [parts[1]], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=0)
    mixer.node("Transpose", perm=[0, 2, 3, 1])
    mixer.node("Reshape", [mixer.last, mixer.constant(np.array([1, -1, 12]))])

    quantised = Network(seed=2)

    def scaled(scale, zero_point):
        return [quantised.constant(np.float32(scale)), quantised.constant(zero_point)]

    weights = [quantised.constant(quantised.rng.integers(-99, 99, (8, 3, 3, 3)).astype(np.int8))]
    weights += [quantised.constant(np.full(8, 0.01, np.float32)), quantised.constant(np.zeros(8, np.int8))]
    kernel = quantised.node("DequantizeLinear", weights, axis=0)
    quantised.node("Conv", ["x", kernel])
    for _ in range(2):
        rounding = scaled(0.02, np.uint8(100))
        quantised.node("QuantizeLinear", [quantised.last, *rounding])
        quantised.node("DequantizeLinear", [quantised.last, *rounding])
        quantised.node("HardSwish")
    quantised.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return [network.model().SerializeToString() for network in (classifier, mixer, quantised)]


def mutate(data: bytes, random_source: random.Random) -> bytes:
    """Flip bits, write small numbers, cut out, repeat or truncate: what disks, networks and attackers do."""
    damaged = bytearray(data)
    kind = random_source.randrange(5)
    for _ in range(random_source.choice([1, 1, 2, 4, 8, 32])):
        position = random_source.randrange(len(damaged))
        if kind == 0:
            damaged[position] ^= 1 << random_source.randrange(8)
        elif kind == 1:
            damaged[position] = random_source.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            del damaged[position : position + random_source.randrange(1, 16)]
        elif kind == 3:
            damaged[position:position] = damaged[position : position + random_source.randrange(1, 64)]
        if not damaged:
            return b""
    return bytes(damaged[: random_source.randrange(len(damaged))]) if kind == 4 else bytes(damaged)


def check(count, path):
    random_source = random.Random(20_26)
    originals = seeds()
    refused = 0
    for number in range(count):
        path.write_bytes(mutate(originals[number % len(originals)], random_source))
        try:
            read_model_interface(path)
            compile_model(path, pictures=PICTURES, preprocess=Preprocess())
        except ModelError:
            refused += 1
    return refused


def test_the_seeds_compile(tmp_path):
    for number, data in enumerate(seeds()):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(data)
        compile_model(path, pictures=PICTURES, preprocess=Preprocess())


def test_200_damaged_files_are_compiled_or_refused(tmp_path):
    refused = check(200, tmp_path / "damaged.onnx")
    assert 40 < refused < 200


@pytest.mark.acceptance
@pytest.mark.timeout(1800)
def test_2000_damaged_files_are_compiled_or_refused(tmp_path):
    assert check(2000, tmp_path / "damaged.onnx") > 400
