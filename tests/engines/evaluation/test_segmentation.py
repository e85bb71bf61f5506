import numpy as np
import pytest

from mnv2_engines.evaluation.segmentation import SegmentationTally


def test_overlap_by_hand():
    tally = SegmentationTally()
    own = tally.add(np.uint8([[0, 0, 3, 3]]), np.uint8([[0, 3, 3, 3]]))
    assert own == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert tally.add(np.uint8([[0, 0]]), np.uint8([[0, 0]])) == 1.0
    figures = {one.class_id: one for one in tally.classes()}
    assert (figures[0].true, figures[0].found, figures[0].both) == (4, 3, 3)
    assert figures[0].iou == 0.75
    assert figures[3].iou == pytest.approx(2 / 3)
    assert tally.mean_iou == pytest.approx((0.75 + 2 / 3) / 2)
    assert tally.pixel_accuracy == pytest.approx(5 / 6)
    assert (tally.pictures, tally.judged) == (2, 6)


def test_a_class_that_is_found_and_nowhere_true_counts():
    tally = SegmentationTally()
    tally.add(np.uint8([[0, 0]]), np.uint8([[0, 9]]))
    assert [(one.class_id, one.iou) for one in tally.classes()] == [(0, 0.5), (9, 0.0)]


def test_unlabelled_and_unseen_pixels_are_not_judged():
    tally = SegmentationTally()
    tally.add(np.uint8([[1, 1, 255, 1]]), np.uint8([[1, 255, 0, 1]]))
    assert (tally.judged, tally.mean_iou) == (2, 1.0)
    assert tally.unseen == pytest.approx(1 / 3)


def test_nothing_judged():
    tally = SegmentationTally()
    assert tally.add(np.uint8([[255]]), np.uint8([[0]])) is None
    assert (tally.mean_iou, tally.pixel_accuracy, tally.unseen) == (0.0, 0.0, 0.0)
