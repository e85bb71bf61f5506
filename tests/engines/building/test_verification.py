import dataclasses

import msgspec
import numpy as np
import pytest

from mnv2_engines.building.verification import AccuracyLimits, class_axis, find_faults, probabilities, verify
from mnv2_engines.parity import clopper_pearson
from mnv2_engines.tensors import Quantization, TensorSpec


def test_a_sound_engine_has_no_faults(signs, signs_pictures) -> None:
    judged = signs_pictures[24:]
    found = verify(signs, judged, source="scenes", task=None)
    facts = found.facts
    assert facts.accelerated
    assert facts.images == len(judged)
    assert facts.outputs[0].sqnr_db is not None
    assert facts.outputs[0].sqnr_db > 27.0
    assert facts.outputs[0].mean_sqnr_db is not None
    assert facts.outputs[0].mean_sqnr_db > facts.outputs[0].sqnr_db - 3.0
    assert facts.agreement is not None
    assert facts.agreement.judged + facts.agreement.near_ties == len(judged)
    assert facts.agreement.share == 1.0
    assert facts.agreement.lower_95 == pytest.approx(clopper_pearson(facts.agreement.same, facts.agreement.judged)[0])
    assert found.confidence is not None
    assert found.confidence > 0.8
    assert [verdict.index for verdict in found.pictures] == list(range(len(judged)))
    assert find_faults(found, AccuracyLimits()) == ()


def test_a_float_engine_is_equal_to_its_reference(signs, signs_pictures) -> None:
    same = dataclasses.replace(signs, tflite=signs.float_tflite, preprocess=signs.float_preprocess)
    facts = verify(same, signs_pictures[:3], source="scenes", task="classify").facts
    assert facts.outputs[0].sqnr_db is None


def test_an_engine_that_is_fed_wrongly_fails_by_every_measure(signs, signs_pictures) -> None:
    wrong = dataclasses.replace(signs.preprocess, mean=(0.0, 0.0, 0.0))
    found = verify(dataclasses.replace(signs, preprocess=wrong), signs_pictures[24:], source="scenes", task=None)
    faults = find_faults(found, AccuracyLimits())
    assert len(faults) == 2
    assert "15 dB are needed" in faults[0]
    assert "pictures have the float network's class" in faults[1]
    differing = [verdict for verdict in found.pictures if verdict.share == 0.0]
    assert differing
    assert all(verdict.float_class != verdict.engine_class for verdict in differing)


def test_what_xnnpack_leaves_is_a_fault(signs, signs_pictures) -> None:
    found = verify(signs, signs_pictures[:2], source="scenes", task=None)
    slow = dataclasses.replace(
        found,
        facts=msgspec.structs.replace(found.facts, accelerated=False),
        fallback_operators=("TRANSPOSE_CONV",),
    )
    assert find_faults(slow, AccuracyLimits())[-1].endswith("plain kernels run TRANSPOSE_CONV")


@pytest.mark.parametrize(
    ("shape", "dtype", "layout", "task", "expected"),
    [
        ((1, 1001), "float32", "flat", None, (1, "pictures")),
        ((1, 1001), "int8", "flat", "classify", (1, "pictures")),
        ((1, 1001, 1, 1), "float32", "NCHW", None, (1, "pictures")),
        ((1, 21, 513, 513), "float32", "NCHW", None, (1, "pixels")),
        ((1, 65, 65, 21), "float32", "NHWC", "segment", (3, "pixels")),
        ((1, 513, 513), "int32", "flat", None, (None, "pixels")),
        ((1, 1), "int64", "flat", None, (None, "pictures")),
        ((1, 1001), "float32", "flat", "detect", None),
        ((1, 100, 4), "float32", "flat", None, None),
    ],
)
def test_classes_are_found_in_the_outputs(shape, dtype, layout, task, expected) -> None:
    quantization = Quantization(0.1, 0) if dtype == "int8" else None
    where = class_axis([TensorSpec("out", shape, dtype, layout, quantization)], task)
    assert (None if where is None else (where.axis, where.unit)) == expected


def test_two_outputs_are_boxes_and_scores() -> None:
    assert class_axis([TensorSpec("a", (1, 10), "float32"), TensorSpec("b", (1, 10), "float32")], None) is None


def test_scores_become_probabilities_once() -> None:
    logits = np.float32([[1.0, 2.0, 3.0]])
    soft = probabilities(logits)
    assert soft.sum() == pytest.approx(1.0)
    assert soft.argmax() == 2
    assert probabilities(soft[np.newaxis]) == pytest.approx(soft)


def test_class_numbers_are_judged_by_agreement_alone(signs, signs_pictures) -> None:
    classes = dataclasses.replace(signs, outputs=(TensorSpec("map", (1, 12), "int64"),))
    facts = verify(classes, signs_pictures[:2], source="scenes", task=None).facts
    assert facts.outputs[0].holds == "classes"
    assert facts.outputs[0].sqnr_db is None
