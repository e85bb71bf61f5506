"""What the figures show is said, and nothing that they do not show."""

import pytest

from mnv2_engines.evaluation.classification import ClassificationTally
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.evaluation.hints import find_hints
from mnv2_engines.evaluation.result import ClassificationResult, EvaluatedEngine, FloatResult
from mnv2_engines.predictions import Prediction
from mnv2_engines.preprocessing.preprocess import Preprocess

LABELS = ("ant", "bee", "cat")
JUDGED = EvaluatedEngine("n@1", "litert", Preprocess())


def tally_of(pairs) -> ClassificationTally:
    tally = ClassificationTally(len(LABELS))
    for truth, predicted in pairs:
        tally.add(truth, (Prediction(predicted, LABELS[predicted], 0.9),))
    return tally


def hints(pairs, reference=None):
    return find_hints(ClassificationResult(JUDGED, "data", LABELS, 0, tally_of(pairs), (), (), reference))


def test_a_good_network_gets_none():
    assert hints([(0, 0)] * 9 + [(1, 1)] * 9 + [(2, 2)] * 8 + [(2, 1)]) == ()


def test_labels_in_another_order():
    (hint,) = hints([(0, 1)] * 9 + [(1, 2)] * 9 + [(2, 0)] * 9)
    assert "named in another order top-1 would be 100.0 %" in hint


def test_a_handful_of_pictures_says_nothing_about_names():
    assert hints([(0, 1), (1, 2), (2, 0)]) == ()


def test_everything_is_one_class():
    (hint,) = hints([(0, 0)] * 9 + [(1, 0)] * 9 + [(2, 0)] * 8 + [(2, 2)])
    assert "26 of 27 pictures are taken for 'ant'" in hint
    assert "mean and std, or the colour order" in hint


@pytest.mark.parametrize(("lost", "told"), [(3, False), (9, True)])
def test_an_engine_that_lost_more_than_chance(lost, told):
    right = [(0, 0)] * 20 + [(1, 1)] * 20
    paired = PairedTally()
    for number in range(40):
        paired.add(same=number >= lost, engine_right=number >= lost, reference_right=True)
    found = hints([(0, 1)] * lost + right[lost:], FloatResult(JUDGED, tally_of(right), paired, ()))
    assert bool(found) == told
    assert not told or "worse than its float network by more than chance" in found[0]
