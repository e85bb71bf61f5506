"""The classifier against a plain reference, and every mistake in its options."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnv2_engines.errors import ContractError, EngineError, LabelsError
from mnv2_engines.predictions import Prediction
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.classify import make_classify
from mnv2_engines.tensors import Quantization, TensorSpec
from mnv2_engines.testing import check_task

VIEW = View(0, 0, 640, 480, 0, 0, 224, 224, 640, 480)
LABELS = ("background", "tabby, tabby cat", "Egyptian cat", "crane", "crane", "macaw")


def spec(*shape, dtype="float32", quantization=None):
    return TensorSpec("scores", shape, dtype, quantization=quantization)


def classify(scores, **options):
    scores = np.asarray(scores, np.float32)
    options.setdefault("final_operators", ("SOFTMAX",))
    task = make_classify(TaskOptions(outputs=(spec(*scores.shape),), **options))
    return task.decode([scores], VIEW).predictions


def test_the_best_come_first():
    got = classify([[0.1, 0.5, 0.0, 0.3, 0.05, 0.05]], labels=LABELS, top_k=2)
    assert got == (Prediction(1, "tabby, tabby cat", 0.5), Prediction(3, "crane", 0.3))


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1, 1, 4), (1, 4, 1, 1)])
def test_every_shape_of_one_number_a_class(shape):
    scores = np.array([0.1, 0.2, 0.6, 0.1], np.float32).reshape(shape)
    assert [p.class_id for p in classify(scores)] == [2, 1, 0]


def test_without_labels_classes_are_numbered():
    assert classify([0.25, 0.75], top_k=1) == (Prediction(1, "class 1", 0.75),)


def test_the_threshold_is_reached_by_equality():
    assert [p.class_id for p in classify([0.25, 0.5, 0.25], score_threshold=0.25)] == [1, 0, 2]
    assert [p.class_id for p in classify([0.25, 0.5, 0.25], score_threshold=0.26)] == [1]
    assert classify([0.25, 0.5, 0.25], score_threshold=0.6) == ()


def test_top_k_may_exceed_the_classes():
    assert len(classify([0.3, 0.7], top_k=50)) == 2


def test_equal_scores_rank_by_class_id():
    assert [p.class_id for p in classify([0.0, 0.0, 1.0, 0.0, 0.0], top_k=3)] == [2, 0, 1]


@given(
    arrays(np.float32, st.integers(2, 40), elements=st.floats(0, 1, width=16)),
    st.integers(1, 45),
    st.floats(0, 1),
)
def test_ranking_equals_a_full_sort(scores, top_k, threshold):
    order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))[:top_k]
    expected = [index for index in order if float(scores[index]) >= threshold]
    got = classify(scores, top_k=top_k, score_threshold=threshold, softmax=False)
    assert [p.class_id for p in got] == expected


@pytest.mark.parametrize("operator", ["FULLY_CONNECTED", "Gemm", "CONV_2D", "MEAN", "ReduceMean", "LogSoftmax"])
def test_softmax_where_the_network_lacks_it(operator):
    logits = np.array([1.0, 3.0, 2.0], np.float32)
    exact = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
    got = classify(logits, final_operators=(operator,))
    assert [p.score for p in got] == pytest.approx(sorted(exact, reverse=True), abs=1e-6)


@pytest.mark.parametrize("operator", ["SOFTMAX", "Softmax", "LOGISTIC", "Sigmoid"])
def test_no_softmax_where_the_network_has_one(operator):
    assert classify([0.2, 0.9, 0.8], final_operators=(operator,))[0].score == pytest.approx(0.9)


def test_softmax_of_large_logits_does_not_overflow():
    got = classify([-1e30, 1000.0, 998.0], softmax=True)
    assert [p.score for p in got] == pytest.approx([0.880797, 0.119203, 0.0], abs=1e-6)
    assert [p.score for p in classify([-3e38, 3e38, 0.0], softmax=True)] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(("dtype", "zero_point"), [("uint8", 0), ("int8", -128)])
def test_the_quantisation_of_tflites_softmax_is_proof_enough(dtype, zero_point):
    outputs = (spec(1, 3, dtype=dtype, quantization=Quantization(1 / 256, zero_point)),)
    task = make_classify(TaskOptions(outputs=outputs))
    # Rounded to 256 steps the scores of many classes need not add up to 1.
    assert task.decode([np.array([[0.5, 0.25, 0.0]], np.float32)], VIEW).predictions[0].score == 0.5


@pytest.mark.parametrize(
    ("first", "later", "score", "taken"),
    [
        ([0.25, 0.75, 0.0], [0.5, 0.1, 0.1], 0.5, "probabilities"),
        ([-1.0, 0.5, 0.2], [0.0, 0.0, 0.0], 0.333333, "logits"),
        ([5.0, 0.5, 0.2], [0.0, 0.0, 0.0], 0.333333, "logits"),
    ],
)
def test_the_first_frame_decides_once_when_the_network_does_not_tell(caplog, first, later, score, taken):
    caplog.set_level(logging.INFO)
    task = make_classify(TaskOptions(outputs=(spec(3),), final_operators=("",)))
    task.decode([np.array(first, np.float32)], VIEW)
    assert task.decode([np.array(later, np.float32)], VIEW).predictions[0].score == pytest.approx(score)
    assert [record.message.rpartition(" ")[2] for record in caplog.records] == [taken]


def test_an_ambiguous_first_frame_is_not_guessed_about():
    with pytest.raises(ContractError, match=r"between 0\.1 and 0\.9 and add up to 1\.5, .*`task: {softmax: true}`"):
        classify([0.1, 0.9, 0.5], final_operators=())


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_an_output_that_is_no_number_is_an_error_not_a_prediction(broken):
    with pytest.raises(EngineError, match="NaN or infinity"):
        classify([0.1, broken, 0.2])


def test_groups_add_scores_and_replace_their_members():
    groups = {"cat": ["Tabby", "Egyptian cat"], "flying": ["crane"]}
    got = classify([[0.05, 0.2, 0.3, 0.1, 0.15, 0.2]], labels=LABELS, groups=groups, top_k=9)
    assert got == (
        Prediction(1, "cat", 0.5),
        Prediction(3, "flying", 0.25),  # both classes called crane
        Prediction(5, "macaw", 0.2),
        Prediction(0, "background", 0.05),
    )


def test_a_class_may_be_in_two_groups_and_a_group_be_called_like_its_member():
    groups = {"macaw": ["macaw", "crane"], "all": ["macaw", "background"]}
    got = classify([[0.1, 0.0, 0.0, 0.2, 0.3, 0.4]], labels=LABELS, groups=groups, top_k=2)
    assert got == (Prediction(3, "macaw", 0.9), Prediction(0, "all", 0.5))


def test_a_group_of_everything_leaves_nothing_else():
    got = classify([0.25, 0.75], groups={"any": ["class 0", "class 1"]}, top_k=5)
    assert got == (Prediction(0, "any", 1.0),)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"cat": ["tabbi"]}, r"'tabbi' in the group 'cat' is not a label: did you mean 'tabby'\?"),
        ({"cat": ["zzzzzz"]}, r"'zzzzzz' in the group 'cat' is not a label: expected one of"),
        ({"cat": []}, r"group 'cat' has no members"),
        ({"macaw": ["crane"]}, r"group 'macaw' has the name of class 5, which is not in it"),
    ],
)
def test_a_group_that_makes_no_sense(groups, said):
    with pytest.raises(ContractError, match=said):
        make_classify(TaskOptions(outputs=(spec(1, 6),), labels=LABELS, groups=groups))


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ((spec(1, 100, 4), spec(1, 100, 91)), r"2 outputs \(scores \[1, 100, 4\], scores \[1, 100, 91\]\).*detector"),
        ((spec(1, 513, 513, 21),), r"output is scores \[1, 513, 513, 21\], a classifier's is \[1, classes\]"),
        ((spec(8, 1001),), r"\[8, 1001\]"),
        ((spec(),), r"\[\]"),
        ((), r"0 outputs"),
    ],
)
def test_a_network_that_is_no_classifier(outputs, said):
    with pytest.raises(ContractError, match=said):
        make_classify(TaskOptions(outputs=outputs))


def test_options_out_of_range():
    with pytest.raises(ContractError, match="top_k 0"):
        make_classify(TaskOptions(outputs=(spec(3),), top_k=0))
    with pytest.raises(ContractError, match=r"score_threshold 1\.5"):
        make_classify(TaskOptions(outputs=(spec(3),), score_threshold=1.5))


def test_labels_that_do_not_fit_name_their_file():
    with pytest.raises(LabelsError, match=r"my\.txt has 6 labels, the network has 7 classes: .*background"):
        make_classify(TaskOptions(outputs=(spec(1, 7),), labels=("a", "b", "c", "d", "e", "f"), labels_source="my.txt"))


def test_one_sigmoid_is_a_classifier_and_one_logit_is_not():
    assert classify([0.8], labels=("person",), final_operators=("LOGISTIC",)) == (Prediction(0, "person", 0.8),)
    with pytest.raises(ContractError, match="softmax of one number is always 1"):
        make_classify(TaskOptions(outputs=(spec(1, 1),), final_operators=("FULLY_CONNECTED",)))


@pytest.mark.parametrize("groups", [{}, {"even": ["class 0", "class 2"]}])
def test_it_keeps_the_contract_of_a_task(groups):
    outputs = (spec(1, 12),)
    task = make_classify(TaskOptions(outputs=outputs, groups=groups, softmax=True))
    check_task(task, outputs, VIEW)
