"""The steps of the quantiser one by one: ranges, weights, bias correction, equalisation, legal ratios."""

import numpy as np
import pytest

from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tflite import QuantiserOptions, compare_layers, compile_model
from mnv2_engines.tflite.quantiser.calibration import Observation
from mnv2_engines.tflite.quantiser.ranges import activation_scales, representable, saturates, search_range
from mnv2_engines.tflite.quantiser.weights import quantise_weights
from support.compiling import compile_stages, step_error
from support.onnx_networks import Network, random_pictures

PICTURES = random_pictures(12)


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 1.0), (0.0, 6.0), (-3.0, 0.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0), (-1e-12, 1e-12)]
)
def test_zero_is_exact_and_the_range_is_covered(low, high):
    scales = activation_scales(low, high)
    scale = float(scales.scale[0])
    assert -128 <= scales.zero_point <= 127
    least, most = representable(scales)
    assert least <= min(low, 0) + scale / 2
    assert most >= max(high, 0) - scale / 2


def test_relu6_ranges_saturate_at_their_bounds():
    assert saturates(activation_scales(0.0, 6.0), (0.0, 6.0))
    assert saturates(activation_scales(0.0, 4.0), (0.0, 6.0))
    assert not saturates(activation_scales(-0.5, 6.0), (0.0, 6.0))
    assert not saturates(activation_scales(0.0, 7.0), (0.0, 6.0))


def test_the_range_search_clips_a_lone_outlier_and_nothing_else():
    rng = np.random.default_rng(0)
    heavy = np.append(rng.normal(0, 1, 1_000_000), [60.0]).astype(np.float32)
    _, high = search_range(float(heavy.min()), 60.0, heavy)
    assert 5 < high < 60
    even = rng.uniform(-1, 1, 50_000).astype(np.float32)
    assert search_range(-1.0, 1.0, even) == (-1.0, 1.0)


def test_the_range_search_bears_values_that_are_nearly_one():
    low, high = np.float32(7e6), np.nextafter(np.float32(7e6), np.float32(8e6))
    samples = np.float32([low, high, low, high])
    assert search_range(float(low), float(high), samples)[1] > 0.9 * float(high)
    assert search_range(3.0, 3.0, np.float32([3.0])) == (3.0, 3.0)


def test_weights_are_symmetric_per_channel_and_biases_exact():
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 1, (4, 3, 3, 8)).astype(np.float32) * np.float32([1, 10, 0.1, 3])[:, None, None, None]
    bias = rng.normal(0, 1, 4).astype(np.float32)
    layer = quantise_weights(weights, bias, 0, input_scale=0.02, output_scale=0.1, expected_shift=None)
    assert layer.weights.dtype == np.int8
    assert layer.weights.min() >= -127
    assert np.all(np.abs(layer.weights).reshape(4, -1).max(axis=1) == 127)
    restored = layer.weights * layer.weight_scales.scale[:, None, None, None]
    assert np.abs(restored - weights).max() <= layer.weight_scales.scale.max() / 2 * 1.01
    assert np.all(np.abs(layer.bias * layer.bias_scales.scale - bias) <= layer.bias_scales.scale * 0.51)


@pytest.mark.parametrize("bias", [1e-30, 5.0, 1e6])
def test_a_silent_channel_keeps_its_bias_inside_int32(bias):
    weights = np.zeros((2, 1, 1, 4), np.float32)
    weights[1] = 1e-20
    layer = quantise_weights(
        weights,
        np.full(2, bias, np.float32),
        0,
        input_scale=0.01,
        output_scale=max(bias, 1e-6) / 100,
        expected_shift=None,
    )
    assert np.abs(layer.bias).max() <= 2**30
    assert np.allclose(layer.bias * layer.bias_scales.scale.astype(np.float64), bias, rtol=1e-2, atol=1e-12)


def test_observations_scale_as_the_activations_would():
    rng = np.random.default_rng(2)
    rows = rng.normal(1, 2, (500, 3)).astype(np.float32)
    factor = np.array([0.5, 1.0, 4.0])

    def observe(values):
        return Observation(values.min(0), values.max(0), values.mean(0), (values**2).mean(0), values)

    scaled, direct = observe(rows).scaled(factor), observe(rows * factor.astype(np.float32))
    for name in ("minimum", "maximum", "mean", "power", "samples"):
        assert np.allclose(getattr(scaled, name), getattr(direct, name), rtol=1e-4)


def bottlenecks(path):
    """Return a small network whose linear channels differ in range by a factor of 50, as trained ones do."""
    network = Network((1, 3, 32, 32))
    network.conv(3, 16, strides=[2, 2], pads=[0, 0, 1, 1])
    network.node("Clip", [network.last, network.constant(np.float32(0)), network.constant(np.float32(6))])
    network.conv(16, 8, 1)
    gains = np.geomspace(0.1, 5, 8).astype(np.float32).reshape(1, 8, 1, 1)
    network.node("Mul", [network.last, network.constant(gains)])
    for _ in range(3):
        value = network.last
        network.conv(8, 24, 1)
        network.node("Clip", [network.last, network.constant(np.float32(0)), network.constant(np.float32(6))])
        network.conv(24, 24, group=24, pads=[1, 1, 1, 1])
        network.node("Clip", [network.last, network.constant(np.float32(0)), network.constant(np.float32(6))])
        network.conv(24, 8, 1)
        network.node("Mul", [network.last, network.constant(gains)])
        network.node("Add", [value, network.last])
    network.conv(8, 8, 1)
    network.node("GlobalAveragePool")
    network.node("Flatten")
    return network.save(path / "model.onnx")


def last_layer_db(path, **options):
    pictures = random_pictures(24, (32, 32))
    compiled = compile_model(path, pictures=pictures[:16], preprocess=Preprocess(), options=QuantiserOptions(**options))
    return compare_layers(compiled, pictures[16:])[-1].sqnr_db


def test_bias_correction_pays(tmp_path):
    path = bottlenecks(tmp_path)
    assert last_layer_db(path) > last_layer_db(path, bias_correction=False)


def test_equalisation_pays_and_leaves_the_function_alone(tmp_path):
    path = bottlenecks(tmp_path)
    assert last_layer_db(path) > last_layer_db(path, equalise=False) + 0.5


def test_an_activation_that_is_always_zero_does_not_upset_xnnpack(tmp_path):
    network = Network()
    network.conv(3, 4, 1)
    value = network.last
    network.node("Sub", [network.node("Relu"), network.constant(np.float32(1e4))])
    dead = network.node("Relu")
    network.node("Add", [value, dead])
    network.node("Mul", [network.last, dead])
    network.conv(4, 4, 1)
    stages = compile_stages(network.save(tmp_path / "dead.onnx"), PICTURES[:8])
    assert max(step_error(stages, PICTURES[9]).values()) <= 1
