import pytest

from mnv2_engines.evaluation.box_matching import match_boxes
from mnv2_engines.evaluation.detection import TruthBox
from mnv2_engines.predictions import Box, Detection


def there(left: float, *, class_id: int = 1, width: float = 10, crowd: bool = False) -> TruthBox:
    return TruthBox(class_id, left, 0, width, 10, 10 * width, crowd=crowd)


def found(left: float, score: float, *, class_id: int = 1, width: float = 10) -> Detection:
    box = Box(left, 0, width, 10)
    return Detection(class_id, "x", score, box, box)


def counts(truth: list[TruthBox], detections: list[Detection]) -> tuple[int, int, int]:
    matches = match_boxes(truth, detections)
    assert matches.wrong == len(matches.extra) + len(matches.missed)
    return len(matches.right), len(matches.extra), len(matches.missed)


@pytest.mark.parametrize(
    ("truth", "detections", "expected"),
    [
        ([], [], (0, 0, 0)),
        ([there(0)], [], (0, 0, 1)),
        ([], [found(0, 0.9)], (0, 1, 0)),
        ([there(0)], [found(0, 0.49)], (0, 0, 1)),  # not sure of it
        ([there(0)], [found(0, 0.5)], (1, 0, 0)),
        ([there(0)], [found(3, 0.9)], (1, 0, 0)),  # 7 of 13
        ([there(0)], [found(4, 0.9)], (0, 1, 1)),  # 6 of 14
        ([there(0)], [found(0, 0.9, class_id=2)], (0, 1, 1)),
        ([there(0)], [found(0, 0.8), found(0, 0.9)], (1, 1, 0)),  # two boxes for one thing
        ([there(0), there(2)], [found(2, 0.9), found(0, 0.8)], (2, 0, 0)),  # each takes what it fits best
        ([there(0)], [found(0, 0.7), found(0, 0.7)], (1, 1, 0)),  # equal scores
        ([there(0, width=100, crowd=True)], [found(0, 0.9), found(50, 0.9), found(96, 0.9)], (0, 1, 0)),
        ([there(0, width=100, crowd=True)], [], (0, 0, 0)),
        ([there(0, width=0)], [found(0, 0.9, width=0)], (0, 1, 1)),  # boxes of no size overlap nothing
    ],
)
def test_what_is_right_wrong_and_missed(truth, detections, expected) -> None:
    assert counts(truth, detections) == expected


def test_the_surest_mistake_comes_first() -> None:
    extra = match_boxes([], [found(0, 0.6), found(50, 0.9), found(90, 0.7)]).extra
    assert [one.score for one in extra] == [0.9, 0.7, 0.6]
