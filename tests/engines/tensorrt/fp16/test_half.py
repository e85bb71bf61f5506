import numpy as np
import pytest

from mnv2_engines.tensorrt.fp16.half import LARGEST, SMALLEST, filters_to_half, overflows, to_half


def test_finite_numbers_stay_finite_and_others_what_they_are():
    numbers = np.array([70000.0, -3.4e38, np.inf, -np.inf, np.nan, 65504.0], np.float32)
    half = to_half(numbers)
    np.testing.assert_array_equal(half, np.array([LARGEST, -LARGEST, np.inf, -np.inf, np.nan, LARGEST], np.float16))


def test_what_is_not_zero_stays_so_with_its_sign():
    numbers = np.array([1e-12, -1e-12, 2e-8, 5e-8, 0.0, -0.0, 1e-6], np.float32)
    half = to_half(numbers).astype(np.float64)
    np.testing.assert_array_equal(half[:4], [SMALLEST, -SMALLEST, SMALLEST, SMALLEST])
    np.testing.assert_array_equal(np.signbit(half[4:6]), [False, True])
    assert half[6] == float(np.float16(1e-6))


@pytest.mark.parametrize(("number", "over"), [(65504.0, False), (65520.0, True), (np.inf, False), (-7e4, True)])
def test_overflow_is_of_finite_numbers(number, over):
    assert overflows(np.array([0.0, number], np.float32)) is over


def test_nothing_overflows_in_nothing():
    assert not overflows(np.zeros((0,), np.float32))


@pytest.mark.parametrize(("shape", "axis"), [((8, 16, 3, 3), 0), ((8, 1, 3, 3), 0), ((32, 10), 1)])
def test_filters_keep_their_sums_and_their_neighbours(shape, axis):
    array = np.random.default_rng(5).normal(0.1, 2.0, shape).astype(np.float32)
    half = filters_to_half(array, axis)
    assert half.shape == shape
    nearest = array.astype(np.float16)
    steps = np.abs(half.view(np.int16).astype(int) - nearest.view(np.int16))
    assert steps.max() == 1  # and so next to the number itself
    rest = tuple(index for index in range(len(shape)) if index != axis)
    lost, plain = (np.abs((it.astype(np.float64) - array).sum(axis=rest)) for it in (half, nearest))
    assert lost.max() < 0.2 * plain.max()


def test_filters_of_numbers_that_fp16_has_do_not_change():
    array = np.array([[0.5, -2.0, 0.0, 3.0], [1.0, 1.5, -0.25, 65504.0]], np.float32)
    np.testing.assert_array_equal(filters_to_half(array, 0), array)
