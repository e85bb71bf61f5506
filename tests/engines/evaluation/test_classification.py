"""Figures of a classifier, against counts made by hand."""

import numpy as np
import pytest

from mnv2_engines.evaluation.classification import ClassificationTally, Proportion
from mnv2_engines.predictions import Prediction


def said(*scores: tuple[int, float]) -> tuple[Prediction, ...]:
    return tuple(Prediction(class_id, f"class {class_id}", score) for class_id, score in scores)


@pytest.fixture
def tally() -> ClassificationTally:
    """Three cats (class 0) and two dogs (1) of seven classes; a cat is a dog, a dog is a fish (2)."""
    tally = ClassificationTally(7)
    tally.add(0, said((0, 0.9), (1, 0.1)))
    tally.add(0, said((0, 0.5), (1, 0.4)))
    tally.add(0, said((1, 0.8), (0, 0.2)))
    tally.add(1, said((1, 0.6), (0, 0.3)))
    tally.add(1, said((2, 0.7), (3, 0.1), (4, 0.08), (5, 0.07), (6, 0.05)))
    return tally


def test_top1_and_top5(tally):
    assert (tally.pictures, tally.top1, tally.top5) == (5, Proportion(3, 5), Proportion(4, 5))
    assert tally.top1.value == 0.6
    low, high = tally.top1.interval_95
    assert low == pytest.approx(0.1466, abs=1e-4)  # scipy.stats.binomtest(3, 5).proportion_ci(0.95, "exact")
    assert high == pytest.approx(0.9473, abs=1e-4)


def test_the_sixth_best_is_not_among_five():
    tally = ClassificationTally(7)
    assert not tally.add(6, said(*((class_id, 0.3 - class_id / 100) for class_id in range(7))))
    assert (tally.top1, tally.top5) == (Proportion(0, 1), Proportion(0, 1))


def test_add_says_whether_it_was_right():
    tally = ClassificationTally(2)
    assert tally.add(1, said((1, 0.6)))
    assert not tally.add(0, said((1, 0.6)))


def test_confusion_is_true_by_predicted(tally):
    expected = np.zeros((7, 7), int)
    expected[0, 0], expected[0, 1], expected[1, 1], expected[1, 2] = 2, 1, 1, 1
    np.testing.assert_array_equal(tally.confusion, expected)
    assert [(pair.true_class, pair.predicted_class, pair.pictures) for pair in tally.confused(5)] == [
        (0, 1, 1),
        (1, 2, 1),
    ]
    assert len(tally.confused(1)) == 1


def test_recall_and_precision(tally):
    figures = {one.class_id: one for one in tally.classes()}
    assert figures.keys() == {0, 1, 2}  # nobody has seen or said the others
    assert (figures[0].recall, figures[0].precision) == (pytest.approx(2 / 3), 1.0)
    assert (figures[1].recall, figures[1].precision) == (0.5, 0.5)
    assert (figures[2].recall, figures[2].precision, figures[2].predicted) == (None, 0.0, 1)
    assert tally.mean_recall() == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_what_a_threshold_lets_through(tally):
    rows = {row.threshold: (row.published, row.right, row.wrong) for row in tally.thresholds()}
    assert rows[0.0] == (5, 3, 2)
    assert rows[0.5] == (5, 3, 2)  # what equals the threshold is published
    assert rows[0.6] == (4, 2, 2)
    assert rows[0.8] == (2, 1, 1)
    assert rows[0.9] == (1, 1, 0)
    assert rows[0.95] == (0, 0, 0)


def test_no_answer_is_wrong_and_in_no_column():
    tally = ClassificationTally(2)
    assert not tally.add(1, ())
    tally.add(1, said((1, 0.9)))
    assert (tally.pictures, tally.top1, tally.top5) == (2, Proportion(1, 2), Proportion(1, 2))
    assert tally.classes()[0].recall == 0.5
    assert tally.confusion.sum() == 1


def test_shuffled_names_show():
    tally = ClassificationTally(3)
    for truth, predicted in ((0, 1), (1, 2), (2, 0)):
        for _ in range(5):
            tally.add(truth, said((predicted, 0.9)))
    tally.add(0, said((0, 0.5)))
    assert tally.top1 == Proportion(1, 16)
    assert tally.relabelled() == Proportion(15, 16)


def test_nothing_seen_says_nothing():
    tally = ClassificationTally(3)
    assert (tally.top1.value, tally.mean_recall(), tally.classes(), tally.confused(3)) == (0.0, 0.0, (), ())
    assert tally.relabelled() == Proportion(0, 0)
