"""A detector's outputs become things with labels, scores and places."""

import numpy as np
import pytest

from mnv2_engines.engine.task_facts import DetectionFacts, SsdAnchors
from mnv2_engines.errors import ContractError, EngineError, LabelsError
from mnv2_engines.predictions import Box
from mnv2_engines.preprocessing.geometry import plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.boxes import overlaps
from mnv2_engines.tasks.detect import Detect
from mnv2_engines.tensors import TensorSpec
from mnv2_engines.testing import check_task

INPUT = TensorSpec("input", (1, 100, 100, 3), "int8", "NHWC")
VIEW = plan_view(100, 100, 100, 100, ResizePolicy("stretch"))
# Four anchors side by side, each a quarter of the picture's width.
QUARTERS = np.array([[0, n / 4, 1, (n + 1) / 4] for n in range(4)], "<f4")
FACTS = DetectionFacts(anchors=QUARTERS.tobytes())
HEADS = (TensorSpec("boxes", (1, 4, 1, 4), "float32"), TensorSpec("scores", (1, 4, 3), "float32"))
STILL = np.zeros((1, 4, 1, 4), np.float32)


def make(facts=FACTS, outputs=HEADS, **options):
    return Detect(TaskOptions(outputs=outputs, input=INPUT, detection=facts, **options))


def logits(*rows):
    return np.array([rows], np.float32)


def logit(probability):
    return float(np.log(probability / (1 - probability)))


NOTHING = (9.0, -9.0, -9.0)


def test_sigmoid_scores_and_a_background():
    scores = logits(NOTHING, (9.0, logit(0.8), -9.0), NOTHING, (-9.0, logit(0.6), logit(0.7)))
    found = make(labels=("none", "cat", "dog")).decode([STILL, scores], VIEW).detections
    assert [(one.class_id, one.label) for one in found] == [(1, "cat"), (2, "dog"), (1, "cat")]
    assert [one.score for one in found] == pytest.approx([0.8, 0.7, 0.6], abs=1e-6)
    assert found[0].box_px == Box(25.0, 0.0, 25.0, 100.0)
    assert found[0].box_fraction == Box(0.25, 0.0, 0.25, 1.0)
    assert [one.box_px.left for one in found] == [25.0, 75.0, 75.0]


def test_the_summary_counts():
    scores = logits(*[(-9.0, 3.0, -9.0)] * 2, NOTHING, (-9.0, -9.0, 3.0))
    assert make(labels=("cat", "dog")).decode([STILL, scores], VIEW).summary == "2 cat, 1 dog"


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "probabilities"])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.9])
def test_scores_of_every_kind_against_plain_code(kind, threshold):
    random = np.random.default_rng(3)
    anchors = np.sort(random.random((60, 2, 2)), axis=1).reshape(60, 4).astype("<f4") + np.array(
        [0, 0, 0.01, 0.01], "<f4"
    )
    facts = DetectionFacts(anchors=anchors.tobytes(), scores=kind, background=None, nms_iou=0.45)
    outputs = (TensorSpec("a", (1, 60, 4), "float32"), TensorSpec("b", (1, 60, 5), "float32"))
    boxes, raw = np.zeros((1, 60, 4), np.float32), random.normal(0, 3, (1, 60, 5)).astype(np.float32)
    if kind == "probabilities":
        raw = random.random((1, 60, 5), np.float32)
    scores = {
        "sigmoid": 1 / (1 + np.exp(-raw[0])),
        "softmax": np.exp(raw[0]) / np.exp(raw[0]).sum(axis=1, keepdims=True),
        "probabilities": raw[0],
    }[kind]
    expected = []
    for class_id in range(5):
        kept = []
        for anchor in sorted(range(60), key=lambda anchor: -scores[anchor, class_id]):
            if scores[anchor, class_id] >= threshold and all(
                overlaps(anchors[anchor], anchors[[other]])[0] <= 0.45 for other in kept
            ):
                kept.append(anchor)
        expected += [(class_id, float(scores[anchor, class_id])) for anchor in kept]
    expected.sort(key=lambda found: -found[1])
    found = make(facts, outputs, top_k=1000, score_threshold=threshold).decode([boxes, raw], VIEW).detections
    assert [one.score for one in found] == pytest.approx([score for _, score in expected], abs=1e-5)
    assert sorted(one.class_id for one in found) == sorted(class_id for class_id, _ in expected)


def test_a_class_may_have_a_threshold_of_its_own():
    scores = logits(*[(-9.0, logit(0.6), logit(0.6))] * 2, NOTHING, NOTHING)
    task = make(labels=("cat", "dog"), thresholds={"dog": 0.7})
    assert task.decode([STILL, scores], VIEW).summary == "2 cat"
    assert make(labels=("cat", "dog"), score_threshold=0.7).decode([STILL, scores], VIEW).summary == ""


def test_the_best_of_overlapping_boxes_stays_class_by_class():
    facts = DetectionFacts(anchors=np.repeat(QUARTERS[:1], 4, axis=0).tobytes())
    scores = logits((-9.0, 1.0, -9.0), (-9.0, 2.0, 3.0), (-9.0, 4.0, -9.0), NOTHING)
    found = make(facts).decode([STILL, scores], VIEW).detections
    assert [(one.class_id, round(one.score, 2)) for one in found] == [(1, 0.98), (2, 0.95)]


def test_at_most_top_k():
    scores = logits(*[(-9.0, 1.0 + n, -9.0) for n in range(4)])
    found = make(top_k=2).decode([STILL, scores], VIEW).detections
    assert [one.box_px.left for one in found] == [75.0, 50.0]


@pytest.mark.parametrize("labels", [("person", "cat", "dog"), ("cat", "dog"), None])
def test_the_contract_is_kept(labels):
    check_task(make(labels=labels, score_threshold=0.6), HEADS)


def test_a_network_that_ends_in_its_sigmoid_is_taken_as_it_is():
    scores = logits((0.1, 0.8, 0.0), *[(0.9, 0.0, 0.0)] * 3)
    found = make(final_operators=("RESHAPE", "LOGISTIC")).decode([STILL, scores], VIEW).detections
    assert [one.score for one in found] == pytest.approx([0.8])


def test_a_sigmoid_behind_the_boxes_says_nothing_about_the_scores():
    scores = logits((-9.0, logit(0.8), -9.0), *[NOTHING] * 3)
    found = make(final_operators=("LOGISTIC", "RESHAPE")).decode([STILL, scores], VIEW).detections
    assert [one.score for one in found] == pytest.approx([0.8])


def test_outputs_in_any_order_and_by_name():
    scores = logits((-9.0, 3.0, -9.0), NOTHING, NOTHING, NOTHING)
    assert make(outputs=HEADS[::-1]).decode([scores, STILL], VIEW).summary == "1 class 1"
    four = (HEADS[0], TensorSpec("scores", (1, 4, 4), "float32"))
    with pytest.raises(ContractError, match="both have four numbers an anchor"):
        make(outputs=four)
    facts = DetectionFacts(anchors=FACTS.anchors, boxes_output="boxes", scores_output="scores")
    wide = np.concatenate([scores, scores[..., 2:]], axis=2)
    assert make(facts, four).decode([STILL, wide], VIEW).summary == "1 class 1"


@pytest.mark.parametrize("place", [0, 1])
def test_an_output_without_numbers_is_an_error(place):
    outputs = [STILL.copy(), logits(*[NOTHING] * 4)]
    outputs[place][0, 1, 0] = np.nan
    with pytest.raises(EngineError, match="NaN"):
        make().decode(outputs, VIEW)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_the_largest_and_smallest_numbers_are_scores_too(kind, threshold):
    """Without a warning, which tests take for an error."""
    facts = DetectionFacts(anchors=FACTS.anchors, scores=kind, background=None)
    scores = logits((-3e38, 1e38, 0.0), (-1000.0, 1000.0, 0.0), *[(0.0, 0.0, 0.0)] * 2)
    found = make(facts, score_threshold=threshold).decode([STILL, scores], VIEW).detections
    assert [(one.class_id, one.score) for one in found[:2]] == [(1, 1.0), (1, 1.0)]


def test_what_shows_nothing_of_the_picture_does_not_count_towards_top_k():
    boxes = STILL.copy()
    boxes[0, 0, 0] = (-50.0, 0.0, 0.0, 0.0)  # far above
    boxes[0, 1, 0] = (0.0, 0.0, -1e6, 0.0)  # without height
    scores = logits((-9.0, 9.0, -9.0), (-9.0, 8.0, -9.0), (-9.0, 3.0, -9.0), NOTHING)
    (only,) = make(top_k=1).decode([boxes, scores], VIEW).detections
    assert only.box_px == Box(50.0, 0.0, 25.0, 100.0)


def test_of_equal_scores_the_first_anchors_are_looked_at():
    """An int8 network has 256 different scores at most, and the best of them often."""
    count = 900
    edges = np.arange(count + 1, dtype=np.float32) / count
    anchors = np.stack([np.zeros(count), edges[:-1], np.ones(count), edges[1:]], axis=1).astype("<f4")
    outputs = (TensorSpec("boxes", (1, count, 4), "float32"), TensorSpec("scores", (1, count, 1), "float32"))
    facts = DetectionFacts(anchors=anchors.tobytes(), scores="probabilities", background=None)
    scores = np.full((1, count, 1), 0.75, np.float32)
    scores[0, 700:710] = 0.875
    task = Detect(TaskOptions(outputs=outputs, input=INPUT, detection=facts, top_k=1000))
    found = task.decode([np.zeros((1, count, 4), np.float32), scores], VIEW).detections
    lefts = np.array([one.box_fraction.left * count for one in found])
    np.testing.assert_array_equal(np.rint(lefts), [*range(700, 710), *range(390)])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"facts": None}, ContractError, "nothing states its anchors"),
        ({"facts": DetectionFacts()}, ContractError, "anchors are not stated"),
        ({"facts": DetectionFacts(ssd=SsdAnchors())}, ContractError, "do the anchors fit the network's size"),
        ({"facts": DetectionFacts(anchors=FACTS.anchors, background=3)}, ContractError, "background is class 3"),
        ({"facts": DetectionFacts(anchors=FACTS.anchors, boxes_output="box")}, ContractError, "none is called 'box'"),
        ({"labels": ("a",)}, LabelsError, "1"),
        ({"labels": ("a", "b", "c", "d")}, LabelsError, "4"),
        ({"outputs": HEADS[:1]}, ContractError, "were expected"),
        ({"groups": {"pet": ["cat"]}}, ContractError, "groups"),
        ({"softmax": True}, ContractError, "scores: softmax"),
        ({"thresholds": {"cow": 0.5}, "labels": ("cat", "dog")}, ContractError, "'cow' in"),
        ({"thresholds": {"cats": 0.5}, "labels": ("cat", "dog")}, ContractError, "did you mean 'cat'"),
        ({"thresholds": {"cat": 1.5}, "labels": ("cat", "dog")}, ContractError, "out of range"),
        ({"top_k": 0}, ContractError, "top_k"),
        ({"score_threshold": -0.1}, ContractError, "score_threshold"),
    ],
)
def test_a_mistake_is_told_when_the_task_is_made(change, error, says):
    with pytest.raises(error, match=says):
        make(**change)


def test_the_size_of_the_picture_has_to_be_known():
    with pytest.raises(ContractError, match="size of its picture"):
        Detect(TaskOptions(outputs=HEADS, detection=FACTS))


DECODED = (
    TensorSpec("TFLite_Detection_PostProcess", (1, 3, 4), "float32"),
    TensorSpec("TFLite_Detection_PostProcess:1", (1, 3), "float32"),
    TensorSpec("TFLite_Detection_PostProcess:2", (1, 3), "float32"),
    TensorSpec("TFLite_Detection_PostProcess:3", (1,), "float32"),
)


def decoded(count=3.0):
    boxes = np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 0.5], [0.1, 0.2, 0.5, 0.6]]], np.float32)
    return [boxes, np.array([[0, 16, 0]], np.float32), np.array([[0.9, 0.8, 0.7]], np.float32), np.array([count], "f4")]


def test_a_network_that_decodes_by_itself():
    found = make(None, DECODED, labels=("person",)).decode(decoded(), VIEW).detections
    assert [(one.label, one.class_id) for one in found] == [("person", 0), ("class 16", 16), ("person", 0)]
    assert found[0].box_px == Box(20.0, 10.0, 40.0, 40.0)
    assert len(make(None, DECODED).decode(decoded(count=1.0), VIEW).detections) == 1
    assert make(None, DECODED, score_threshold=0.75).decode(decoded(), VIEW).summary == "1 class 0, 1 class 16"


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_its_outputs_without_numbers_are_an_error(place, number):
    outputs = decoded()
    outputs[place].reshape(-1)[0] = number
    with pytest.raises(EngineError, match="NaN or infinity"):
        make(None, DECODED).decode(outputs, VIEW)


def test_its_classes_may_be_any_number():
    outputs = decoded()
    outputs[1][...] = (-5, 3e7, 2)
    with pytest.raises(EngineError, match="NaN or infinity"):
        make(None, DECODED).decode(outputs, VIEW)
    outputs[1][...] = (-5, 3e6, 2)
    found = make(None, DECODED, labels=("a",)).decode(outputs, VIEW).detections
    assert [one.class_id for one in found] == [3_000_000, 2]


def test_its_labels_may_begin_with_another_class():
    task = make(DetectionFacts(first_class=1), DECODED, labels=("???", "person"), thresholds={"person": 0.8})
    assert task.decode(decoded(), VIEW).summary == "1 person, 1 class 17"


def test_its_contract_is_kept():
    check_task(make(None, DECODED), DECODED)
