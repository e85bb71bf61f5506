"""Pixels reach the int8 network by XOR 0x80, whatever mean and std it was trained with."""

import numpy as np
import pytest

from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import compile_model, run_float, run_int8
from mnv2_engines.tflite.reference import engine_input
from support.onnx_networks import Network, random_pictures, run_onnx

TORCHVISION = Preprocess(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
CAFFE = Preprocess(color="BGR", mean=(103.94, 116.78, 123.68), std=(1.0, 1.0, 1.0))
UNIT = Preprocess(mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
PLAIN = Preprocess()
PICTURES = random_pictures(10, (24, 24))


def convolutional(path, pads=(0, 0, 0, 0)):
    network = Network((1, 3, 24, 24))
    network.conv(3, 8, pads=list(pads))
    network.node("Relu")
    network.node("GlobalAveragePool")
    network.conv(8, 4, 1)
    network.node("Flatten")
    return network.save(path / "model.onnx")


def sqnr_db(exact, rounded):
    return 10 * np.log10((exact**2).sum() / ((exact - rounded) ** 2).sum())


@pytest.mark.parametrize("preprocess", [TORCHVISION, CAFFE, UNIT, PLAIN], ids=["torchvision", "caffe", "unit", "plain"])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1)], ids=["valid", "padded"])
def test_any_mean_and_std_fold_into_the_first_convolution(tmp_path, preprocess, pads):
    path = convolutional(tmp_path, pads)
    compiled = compile_model(path, pictures=PICTURES, preprocess=preprocess)
    for picture in PICTURES:
        assert np.array_equal(engine_input(compiled, picture)[0], (picture ^ 0x80).view(np.int8))
    mean, std = np.float32(preprocess.mean), np.float32(preprocess.std)
    exact = [run_onnx(path, np.ascontiguousarray(((p - mean) / std).transpose(2, 0, 1)[None]))[0] for p in PICTURES]
    floats = [outputs[0] for outputs in run_float(compiled, PICTURES)]
    rounded = [outputs[0] for outputs in run_int8(compiled, PICTURES)]
    assert sqnr_db(np.array(exact), np.array(floats)) > 100
    assert sqnr_db(np.array(exact), np.array(rounded)) > 30


def test_the_engine_asks_for_one_mean_and_one_std(tmp_path):
    compiled = compile_model(convolutional(tmp_path), pictures=PICTURES[:4], preprocess=TORCHVISION)
    assert compiled.preprocess.mean == (114.0, 114.0, 114.0)
    assert len(set(compiled.preprocess.std)) == 1
    assert compiled.preprocess.color == TORCHVISION.color
    assert compiled.float_preprocess == TORCHVISION
    quantization = compiled.input.quantization
    assert quantization is not None
    assert quantization.zero_point == 114 - 128
    assert quantization.scale == pytest.approx(1 / compiled.preprocess.std[0])


def test_the_usual_normalisation_needs_no_new_weights(tmp_path):
    compiled = compile_model(convolutional(tmp_path), pictures=PICTURES[:4], preprocess=PLAIN)
    assert compiled.input.quantization.zero_point == -1
    assert compiled.input.quantization.scale == pytest.approx(1 / 127.5)


def test_an_input_that_no_convolution_reads_is_mapped_by_table(tmp_path):
    network = Network((1, 3, 24, 24))
    network.node("Sigmoid", ["x"])
    network.conv(3, 4)
    path = network.save(tmp_path / "model.onnx")
    compiled = compile_model(path, pictures=PICTURES[:8], preprocess=TORCHVISION)
    assert compiled.preprocess == TORCHVISION
    exact = np.array([outputs[0] for outputs in run_float(compiled, PICTURES)])
    rounded = np.array([outputs[0] for outputs in run_int8(compiled, PICTURES)])
    assert sqnr_db(exact, rounded) > 30


def test_a_common_mean_needs_no_table_there(tmp_path):
    network = Network((1, 3, 24, 24))
    network.node("Mul", ["x", network.constant(np.float32(2))])
    network.conv(3, 4)
    compiled = compile_model(network.save(tmp_path / "model.onnx"), pictures=PICTURES[:8], preprocess=UNIT)
    assert np.array_equal(engine_input(compiled, PICTURES[0])[0], (PICTURES[0] ^ 0x80).view(np.int8))
