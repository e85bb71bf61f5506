import dataclasses
from typing import Any

import numpy as np
import pytest

from mnv2_edge.demo import TrueSign, true_mask, true_signs
from mnv2_edge.demo.scoring import AreaScorer, BoxScorer, LabelScorer
from mnv2_edge.records import CameraState, Result
from mnv2_edge.testing import sample_records
from mnv2_engines.predictions import Box, Detection, Mask, Prediction

WIDTH, HEIGHT = 320, 240
TEMPLATE = next(record for record in sample_records() if isinstance(record, Result))


def make_result(label: str, frame: int, **more: Any) -> Result:
    predictions = (Prediction(0, label, 0.9),) if label else ()
    return dataclasses.replace(TEMPLATE, frame=frame, predictions=predictions, width=WIDTH, height=HEIGHT, **more)


def corners(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def detection(label: str, left: float, top: float, right: float, bottom: float, score: float = 0.9) -> Detection:
    pixels = Box(left * WIDTH, top * HEIGHT, (right - left) * WIDTH, (bottom - top) * HEIGHT)
    return Detection(0, label, score, pixels, Box(left, top, right - left, bottom - top))


def runs_of(mask: np.ndarray) -> Mask:
    flat = mask.ravel().astype(int)
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    lengths = np.diff(starts, append=len(flat))
    runs = tuple(int(number) for pair in zip(flat[starts], lengths, strict=True) for number in pair)
    return Mask(mask.shape[1], mask.shape[0], Box(0, 0, WIDTH, HEIGHT), runs=runs)


def test_labels():
    judge = LabelScorer(lambda index: ("stop", "yield")[index % 2])
    assert judge.score == 0.0
    for frame in range(4):
        judge.publish(make_result("stop", frame))
    assert (judge.right, judge.wrong, judge.score) == (2, 2, 0.5)


def test_other_records_are_passed_over():
    judge = LabelScorer(lambda index: "stop")
    judge.publish(next(record for record in sample_records() if isinstance(record, CameraState)))
    assert judge.right + judge.wrong == 0


def box_judge(*signs: TrueSign) -> BoxScorer:
    return BoxScorer(lambda index: signs)


STOP = TrueSign(0, corners(0.2, 0.2, 0.4, 0.4))
YIELD = TrueSign(1, corners(0.6, 0.2, 0.8, 0.4))


@pytest.mark.parametrize(
    ("detections", "found", "missed", "false"),
    [
        ([], 0, 2, 0),
        ([detection("stop", 0.2, 0.2, 0.4, 0.4), detection("yield", 0.6, 0.2, 0.8, 0.4)], 2, 0, 0),
        ([detection("yield", 0.2, 0.2, 0.4, 0.4)], 0, 2, 1),  # in the other's place
        ([detection("stop", 0.2, 0.2, 0.4, 0.4), detection("stop", 0.2, 0.2, 0.4, 0.4, 0.8)], 1, 1, 1),  # twice
        ([detection("stop", 0.25, 0.2, 0.45, 0.4)], 1, 1, 0),  # 15 of 25 parts in common: 0.6
        ([detection("stop", 0.28, 0.2, 0.48, 0.4)], 0, 2, 1),  # 12 of 28: 0.43
    ],
)
def test_boxes(detections: list[Detection], found: int, missed: int, false: int):
    judge = box_judge(STOP, YIELD)
    judge.publish(make_result("", 0, detections=tuple(detections)))
    assert (judge.found, judge.missed, judge.false) == (found, missed, false)


def test_the_score_of_boxes_is_the_lower_of_recall_and_precision():
    judge = box_judge(STOP)
    right, wrong = detection("stop", 0.2, 0.2, 0.4, 0.4), detection("stop", 0.7, 0.7, 0.9, 0.9)
    judge.publish(make_result("", 0, detections=(right, wrong)))
    assert judge.score == 0.5
    judge.publish(make_result("", 1))
    assert (judge.found, judge.missed, judge.false) == (1, 1, 1)
    assert judge.score == 0.5


def area_judge() -> AreaScorer:
    return AreaScorer(lambda index, size: true_mask(4, index, size), [f"class {place}" for place in range(13)])


def test_areas_that_are_the_truth_score_one_also_at_another_size():
    judge = area_judge()
    for index, size in ((0, (320, 240)), (11, (192, 144))):
        judge.publish(make_result("", index, mask=runs_of(true_mask(4, index, size))))
    assert judge.score == 1.0


def test_areas_of_another_frame_and_none_at_all_score_little():
    judge = area_judge()
    judge.publish(make_result("", 0, mask=runs_of(true_mask(4, 50))))
    assert judge.score < 0.5
    assert "worst" in judge.verdict
    without = area_judge()
    without.publish(make_result("", 0))
    present = 1 + len({sign.class_id for sign in true_signs(4, 0)})
    assert without.score < 1.0 / present  # all but the background is missed


def test_what_was_not_seen_counts_as_background():
    unseen = true_mask(4, 0)
    unseen[:, :100] = 255
    judge = area_judge()
    judge.publish(make_result("", 0, mask=runs_of(unseen)))
    assert 0.5 < judge.score < 1.0
