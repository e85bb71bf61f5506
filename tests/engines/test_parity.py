import math

import numpy as np
import pytest

from mnv2_engines.parity import Noise, clopper_pearson, compare_classes, near_tie_margin


# Values of scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact"), scipy 1.17.
@pytest.mark.parametrize(
    ("same", "judged", "low", "high"),
    [
        (0, 10, 0.0, 0.3084971078),
        (10, 10, 0.6915028922, 1.0),
        (19, 20, 0.7512672372, 0.9987349105),
        (590, 600, 0.9695635405, 0.9919794930),
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


def test_no_noise_and_no_signal() -> None:
    noise = Noise()
    noise.add(np.ones(3), np.ones(3))
    assert noise.sqnr_db is None
    silent = Noise()
    silent.add(np.zeros(3), np.ones(3))
    assert silent.sqnr_db == -math.inf


def test_near_ties_are_not_judged() -> None:
    expected = np.float32([[0.5, 0.499, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    got = np.float32([[0.4, 0.5, 0.0], [0.8, 0.1, 0.0], [0.1, 0.8, 0.0]])
    top = compare_classes(expected, got, axis=1, margin=near_tie_margin(1 / 256))
    assert (top.same, top.judged, int(top.near_tie.sum())) == (1, 2, 1)


def test_pixels_are_compared_along_the_class_axis() -> None:
    rng = np.random.default_rng(3)
    expected = rng.random((1, 5, 6, 7), np.float32)
    got = expected.copy()
    got[0, :, 2, 3] = expected[0, ::-1, 2, 3]
    top = compare_classes(expected, got, axis=1, margin=near_tie_margin(None))
    wrong = int(expected[0, :, 2, 3].argmax() != got[0, :, 2, 3].argmax())
    assert (top.judged, top.same) == (42, 42 - wrong)
    swapped = compare_classes(np.moveaxis(expected, 1, -1), np.moveaxis(got, 1, -1), axis=-1, margin=0.0)
    assert (swapped.expected == top.expected).all()
