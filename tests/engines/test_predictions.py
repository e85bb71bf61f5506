"""What is found, in a few words that stay the same while nothing changes."""

import pytest

from mnv2_engines.predictions import Box, Detection, Findings, Prediction, Segment

BOX = Box(10.0, 20.0, 30.0, 40.0)


def detection(class_id, label, score):
    return Detection(class_id, label, score, BOX, BOX)


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        (Findings(), ""),
        (Findings(predictions=(Prediction(3, "stop", 0.9), Prediction(1, "yield", 0.1))), "stop"),
        (
            Findings(detections=(detection(6, "bus", 0.9), detection(1, "person", 0.8), detection(1, "person", 0.7))),
            "2 person, 1 bus",
        ),
        (Findings(segments=(Segment(15, "person", 0.4), Segment(3, "bird", 0.1))), "bird, person"),
        (
            Findings(predictions=(Prediction(0, "indoors", 0.9),), detections=(detection(1, "cat", 0.8),)),
            "indoors; 1 cat",
        ),
    ],
)
def test_the_summary_says_what_there_is(findings, said):
    assert findings.summary == said


def test_the_summary_does_not_change_with_who_is_best():
    one = Findings(detections=(detection(6, "bus", 0.9), detection(1, "person", 0.8)))
    other = Findings(detections=(detection(1, "person", 0.8), detection(6, "bus", 0.7)))
    assert one.summary == other.summary == "1 person, 1 bus"


def test_a_box_ends_where_its_sides_say():
    assert (BOX.right, BOX.bottom) == (40.0, 60.0)
