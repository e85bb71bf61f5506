"""COCO's figures, against pictures that can be worked out by hand."""

import sys

import pytest

from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.evaluation.detection import DetectionTally, TruthBox
from mnv2_engines.predictions import Box, Detection

pytest.importorskip("pycocotools")


def truth(class_id, left, top, width, height, **more):
    return TruthBox(class_id, left, top, width, height, width * height, **more)


def found(class_id, score, left, top, width, height):
    box = Box(left, top, width, height)
    return Detection(class_id, f"class {class_id}", score, box, box)


def test_all_right_is_one():
    tally = DetectionTally([1, 2])
    tally.add(
        [truth(1, 10, 10, 50, 50), truth(2, 80, 10, 100, 100)],
        [found(2, 0.9, 80, 10, 100, 100), found(1, 0.3, 10, 10, 50, 50)],
    )
    figures = tally.figures()
    assert (figures.ap, figures.ap50, figures.ap75, figures.recall) == pytest.approx((1.0, 1.0, 1.0, 1.0))
    assert (figures.ap_small, figures.ap_medium, figures.ap_large) == (None, pytest.approx(1.0), pytest.approx(1.0))
    assert [(one.class_id, one.boxes, one.ap) for one in figures.classes] == [
        (1, 1, pytest.approx(1)),
        (2, 1, pytest.approx(1)),
    ]
    assert (tally.pictures, tally.boxes) == (1, 2)


def test_a_box_that_fits_to_two_thirds_counts_up_to_there():
    """IoU 2/3 is enough for the thresholds .5, .55, .6 and .65: four of ten."""
    tally = DetectionTally([0])
    tally.add([truth(0, 0, 0, 100, 100)], [found(0, 0.9, 20, 0, 100, 100)])
    figures = tally.figures()
    assert figures.ap == pytest.approx(0.4)
    assert (figures.ap50, figures.ap75) == pytest.approx((1.0, 0.0))


def test_a_surer_wrong_box_halves_the_precision():
    tally = DetectionTally([0])
    tally.add([truth(0, 0, 0, 100, 100)], [found(0, 0.9, 300, 300, 100, 100), found(0, 0.8, 0, 0, 100, 100)])
    assert tally.figures().ap == pytest.approx(0.5)


def test_a_less_sure_wrong_box_costs_nothing():
    tally = DetectionTally([0])
    tally.add([truth(0, 0, 0, 100, 100)], [found(0, 0.9, 0, 0, 100, 100), found(0, 0.1, 300, 300, 100, 100)])
    assert tally.figures().ap == pytest.approx(1.0)


def test_what_is_not_judged():
    """Boxes in a crowd are neither right nor wrong; classes that the data does not have are ignored."""
    tally = DetectionTally([0])
    tally.add(
        [truth(0, 0, 0, 100, 100), truth(0, 200, 0, 300, 300, crowd=True)],
        [found(0, 0.95, 250, 50, 50, 50), found(0, 0.9, 0, 0, 100, 100), found(7, 1.0, 400, 400, 9, 9)],
    )
    assert tally.figures().ap == pytest.approx(1.0)
    assert tally.boxes == 1


def test_pictures_are_kept_apart():
    tally = DetectionTally([0])
    tally.add([truth(0, 0, 0, 100, 100)], [])
    tally.add([], [found(0, 0.9, 0, 0, 100, 100)])
    assert tally.figures().ap == 0.0


def test_nothing_found(capsys):
    tally = DetectionTally([0])
    tally.add([truth(0, 0, 0, 100, 100)], [])
    figures = tally.figures()
    assert (figures.ap, figures.recall) == (0.0, 0.0)
    assert capsys.readouterr().out == ""


def test_without_pycocotools_it_is_said_before_the_first_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'mnv2-edge\[evaluate\]'"):
        DetectionTally([0])
