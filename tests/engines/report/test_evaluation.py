"""The report of an evaluation stands alone, and shows the pictures that matter."""

import base64
import re

import cv2
import numpy as np
import pytest

from mnv2_engines.evaluation.classification import ClassificationTally
from mnv2_engines.evaluation.comparison import PairedTally
from mnv2_engines.evaluation.result import (
    ClassificationResult,
    Disagreement,
    EvaluatedEngine,
    FloatResult,
    Misclassification,
    UnreadablePicture,
)
from mnv2_engines.predictions import Prediction
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.report.classification import draw_confusion
from mnv2_engines.report.evaluation import render_evaluation
from support.pages import check

LABELS = ("ant", "<b>bee</b>", "cat", "dog", "eel", "fox")
JUDGED = EvaluatedEngine("animals@0123456789ab", "litert 2", Preprocess())
JPEG = cv2.imencode(".jpg", np.full((8, 8, 3), 99, np.uint8))[1].tobytes()


def said(class_id, score):
    return (Prediction(class_id, LABELS[class_id], score),)


@pytest.fixture
def result() -> ClassificationResult:
    tally, reference, paired = ClassificationTally(6), ClassificationTally(6), PairedTally()
    for truth, engine, other in ((0, 0, 0), (1, 1, 1), (2, 1, 2)):
        tally.add(truth, said(engine, 0.8))
        reference.add(truth, said(other, 0.8))
        paired.add(same=engine == other, engine_right=engine == truth, reference_right=other == truth)
    return ClassificationResult(
        judged=JUDGED,
        data="photos & more",
        labels=LABELS,
        found=4,
        tally=tally,
        worst=(Misclassification("cat/<1>.jpg", 2, said(1, 0.8), JPEG),),
        unreadable=(UnreadablePicture("dog/cut.jpg", "dog/cut.jpg ends in the middle"),),
        reference=FloatResult(
            JUDGED, reference, paired, (Disagreement("cat/<1>.jpg", 2, said(1, 0.8), said(2, 0.8), JPEG),)
        ),
        notes=("look at <this>",),
    )


def test_it_stands_alone_and_shows_the_worst(result):
    html = render_evaluation(result)
    seen = check(html)
    assert seen.tags.count("img") == 2
    assert "animals@0123456789ab is right about 66.7 % of 3 pictures" in html
    assert "<li>look at &lt;this&gt;</li>" in html
    assert "cat/&lt;1&gt;.jpg" in html
    assert "<b>bee</b>" not in html
    assert "photos &amp; more, 4 pictures" in html
    assert "dog/cut.jpg ends in the middle" in html
    picture = re.search(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert base64.b64decode(picture[1]) == JPEG
    assert "script" not in seen.tags


def test_without_mistakes_and_float_network(result):
    tally = ClassificationTally(6)
    tally.add(0, said(0, 0.9))
    html = render_evaluation(ClassificationResult(JUDGED, "data", LABELS, 1, tally, (), (), None))
    assert "None: all are right." in html
    assert "The float network was not evaluated." in html
    check(html)


def test_a_small_matrix_is_a_table(result):
    html = draw_confusion(result.tally.confusion, [0, 1, 2], LABELS)
    check(html)
    rows = [re.findall(r"<td[^>]*>(\d*)</td>", row) for row in html.split("<tr>")[2:]]
    assert rows == [["1", "", ""], ["", "1", ""], ["", "1", ""]]


def test_a_large_matrix_is_a_picture():
    confusion = np.zeros((100, 100), np.int32)
    confusion[3, 3], confusion[7, 9] = 5, 5
    html = draw_confusion(confusion, range(100), [f"class {number}" for number in range(100)])
    check(html)
    png = base64.b64decode(re.search(r'base64,([^"]+)"', html)[1])
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    scale = len(pixels) // 100
    right, wrong, none = (pixels[row * scale, column * scale].tolist() for row, column in ((3, 3), (7, 9), (0, 1)))
    assert right[1] > max(right[0], right[2])  # green
    assert wrong[2] > max(wrong[0], wrong[1])  # red
    assert none == [255, 255, 255]
