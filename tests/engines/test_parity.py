import math

import numpy as np
import pytest

from mnv2_engines.parity import Noise, clopper_pearson, compare_classes


# Values of scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact"), scipy 1.17.
@pytest.mark.parametrize(
    ("same", "judged", "low", "high"),
    [
        (0, 10, 0.0, 0.3084971078),
        (10, 10, 0.6915028922, 1.0),
        (19, 20, 0.7512672372, 0.9987349105),
        (590, 600, 0.9695635405, 0.9919794930),
        (36_000, 50_000, 0.7160417297, 0.7239327154),
        (25, 50_000, 0.0003235990, 0.0007380108),
    ],
)
def test_the_interval_is_the_exact_one(same: int, judged: int, low: float, high: float) -> None:
    assert clopper_pearson(same, judged) == pytest.approx((low, high), abs=1e-9)


def test_the_interval_covers_what_it_promises() -> None:
    share, trials = 0.9, 40
    covered = 0.0
    for successes in range(trials + 1):
        low, high = clopper_pearson(successes, trials)
        if low <= share <= high:
            covered += math.comb(trials, successes) * share**successes * (1 - share) ** (trials - successes)
    assert covered >= 0.95


def test_nothing_judged_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_noise_is_a_ratio_of_sums() -> None:
    noise = Noise()
    noise.add(np.float32([3.0, 4.0]), np.float32([3.0, 4.5]))
    noise.add(np.float32([0.0, 0.0]), np.float32([0.0, 0.0]))
    assert noise.sqnr_db == pytest.approx(20.0)


def test_small_noise_on_many_large_numbers_is_not_lost() -> None:
    noise = Noise()
    exact = np.full((100, 1000), 100.0, np.float32)
    noise.add(exact, exact + np.float32(0.0001220703125))  # 16 steps of a float32 there
    assert noise.sqnr_db == pytest.approx(20 * math.log10(100 / 0.0001220703125), abs=0.001)


def test_the_mean_lets_every_picture_weigh_alike() -> None:
    noise = Noise()
    noise.add(np.float32([100.0]), np.float32([101.0]))
    noise.add(np.float32([1.0]), np.float32([0.0]))
    noise.add(np.float32([5.0]), np.float32([5.0]))  # equal to the last bit: it has no level of its own
    assert noise.mean_sqnr_db == pytest.approx((40.0 + 0.0) / 2)
    assert noise.sqnr_db == pytest.approx(10 * math.log10(10026 / 2))


def test_no_noise_and_no_signal() -> None:
    noise = Noise()
    noise.add(np.ones(3), np.ones(3))
    assert noise.sqnr_db is None
    assert noise.mean_sqnr_db is None
    silent = Noise()
    silent.add(np.zeros(3), np.ones(3))
    assert silent.sqnr_db == -100.0


def test_near_ties_of_probabilities_are_not_judged() -> None:
    expected = np.float32([[0.42, 0.39, 0.19], [0.42, 0.37, 0.21], [0.9, 0.1, 0.0]])
    got = np.float32([[0.4, 0.5, 0.1], [0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    top = compare_classes(expected, got, axis=1)
    assert list(top.near_tie) == [True, False, False]
    assert (top.same, top.judged) == (1, 2)


def test_near_ties_of_logits_are_the_same_ones() -> None:
    probabilities = np.float32([[0.42, 0.39, 0.19], [0.42, 0.37, 0.21], [0.9, 0.05, 0.05]])
    logits = np.log(probabilities) + np.float32(5.0)
    assert list(compare_classes(logits, logits, axis=1).near_tie) == [True, False, False]


def test_what_the_engine_cannot_tell_apart_is_a_near_tie() -> None:
    scores = np.float32([[0.30, 0.25, 0.0], [0.9, 0.1, 0.0]])
    assert list(compare_classes(scores, scores, axis=1, step=0.03).near_tie) == [True, False]


def test_pixels_are_compared_along_the_class_axis() -> None:
    rng = np.random.default_rng(3)
    expected = 10.0 * rng.standard_normal((1, 5, 6, 7), np.float32)
    got = expected.copy()
    got[0, :, 2, 3] = np.roll(expected[0, :, 2, 3], 1)
    top = compare_classes(expected, got, axis=1)
    changed = top.expected != top.got
    assert list(np.flatnonzero(changed)) == [2 * 7 + 3]
    assert top.judged == 42 - int(top.near_tie.sum())
    channels_last = compare_classes(np.moveaxis(expected, 1, -1), np.moveaxis(got, 1, -1), axis=-1)
    assert (channels_last.expected == top.expected).all()


@pytest.mark.parametrize("overflown", [math.inf, -math.inf, math.nan])
def test_an_output_that_overflowed_is_the_worst(overflown: float) -> None:
    noise = Noise()
    noise.add(np.ones(3, np.float32), np.array([1.0, overflown, 1.0], np.float32))
    assert noise.sqnr_db == -100.0
