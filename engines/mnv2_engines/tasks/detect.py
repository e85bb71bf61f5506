"""The task of a detector: boxes with labels and scores."""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from mnv2_engines.engine.anchors import anchor_boxes
from mnv2_engines.engine.task_facts import DetectionFacts
from mnv2_engines.errors import ContractError
from mnv2_engines.labels import check_label_count
from mnv2_engines.predictions import Detection, Findings
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tasks import Task, TaskOptions, check_limits
from mnv2_engines.tasks.boxes import are_visible, picture_boxes, suppress
from mnv2_engines.tasks.candidates import AnchoredHeads, CandidateReader, DecodedBoxes, describe_outputs, is_decoded
from mnv2_engines.tensors import FloatArray, TensorSpec

__all__ = ["Detect", "make_detect"]

_TOP_K: Final = 100
_THRESHOLD: Final = 0.5
_SCORE_DIGITS: Final = 6


def make_detect(options: TaskOptions) -> Task:
    """Make the task `detect`.

    Raises ContractError when the network is not a detector that is understood or the options make no sense, LabelsError
    when the number of labels is not that of the classes.
    """
    return Detect(options)


class Detect:
    """Decoder that keeps the best of overlapping boxes and gives them in pixels of the camera's picture.

    Two kinds of networks: raw boxes and scores for each of the anchors that `TaskOptions.detection` states, and those
    that end in TFLite_Detection_PostProcess, which need none. A background class is never detected.
    """

    name = "detect"

    def __init__(self, options: TaskOptions) -> None:
        _refuse_foreign(options)
        self._top_k, threshold = check_limits(options, _TOP_K, _THRESHOLD)
        facts = options.detection or DetectionFacts()
        self._size_hw = _picture_size(options.input)
        self._reader: CandidateReader
        if is_decoded(options.outputs):
            self._reader, self._labels = DecodedBoxes(facts.first_class), options.labels or ()
            classes, background = len(self._labels) + 1, None  # the last one stands for all that have no label
            self._iou = 1.0  # overlaps are suppressed already
        else:
            heads = _anchored_heads(options, facts, self._size_hw)
            classes, background = heads.classes, facts.background
            self._reader, self._labels = heads, _fit_labels(options, classes, background)
            self._iou = facts.nms_iou
        self._thresholds = _thresholds(classes, threshold, options.thresholds, self._labels)
        if background is not None:
            self._thresholds[background] = math.inf

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:
        """Return at most `top_k` detections, best first, each within what the network saw.

        Raises EngineError for outputs that hold no numbers (NaN).
        """
        found = self._reader.read(outputs, self._thresholds)
        found = found.only(are_visible(found.boxes))  # else they would count towards `top_k`
        kept = suppress(found.boxes, found.scores, found.classes, self._iou, self._top_k)
        boxes = picture_boxes(found.boxes[kept], self._size_hw, view)
        scores, classes = found.scores[kept].tolist(), found.classes[kept].tolist()
        return Findings(
            detections=tuple(
                Detection(class_id, self._label(class_id), max(0.0, min(1.0, round(score, _SCORE_DIGITS))), *box)
                for class_id, score, box in zip(classes, scores, boxes, strict=True)
                if box is not None
            )
        )

    def _label(self, class_id: int) -> str:
        return self._labels[class_id] if class_id < len(self._labels) else f"class {class_id}"


def _anchored_heads(options: TaskOptions, facts: DetectionFacts, size_hw: tuple[int, int]) -> AnchoredHeads:
    if options.detection is None:
        raise ContractError(
            f"the network's outputs are {describe_outputs(options.outputs)}, and nothing states its anchors: expected "
            "`detection: {anchors: ssd}` in MODEL.yaml beside the model when the engine is built (docs/detection.md), "
            "or a network that ends in TFLite_Detection_PostProcess; is it a detector?"
        )
    return AnchoredHeads(options.outputs, facts, anchor_boxes(facts, size_hw), options.final_operators)


def _fit_labels(options: TaskOptions, classes: int, background: int | None) -> tuple[str, ...]:
    """Return a label for every class; those of a file that leaves the background out move up."""
    if background is not None and background >= classes:
        raise ContractError(
            f"the background is class {background}, the network has {classes}: see `detection` in MODEL.yaml"
        )
    labels = options.labels
    if labels is None:
        return tuple(f"class {class_id}" for class_id in range(classes))
    if background is not None and len(labels) == classes - 1:
        labels = (*labels[:background], "background", *labels[background:])
    check_label_count(labels, classes, options.labels_source)
    return labels


def _thresholds(classes: int, threshold: float, of_labels: Mapping[str, float], labels: Sequence[str]) -> FloatArray:
    """Return what every class has to reach."""
    limits = np.full(classes, threshold, np.float32)
    for label, limit in of_labels.items():
        ids = [class_id for class_id, name in enumerate(labels) if name == label]
        if not ids:
            near = difflib.get_close_matches(label, labels, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "expected one of the network's"
            raise ContractError(f"{label!r} in `thresholds` is not a label: {hint}")
        if not 0.0 <= limit <= 1.0:
            raise ContractError(f"the threshold {limit} of {label!r} is out of range: expected 0 to 1")
        limits[ids] = limit
    return limits


def _picture_size(spec: TensorSpec | None) -> tuple[int, int]:
    if spec is None or spec.layout == "flat":
        raise ContractError("a detector has to know the size of its picture: expected `TaskOptions.input`")
    return spec.size_hw


def _refuse_foreign(options: TaskOptions) -> None:
    if options.groups:
        raise ContractError("`groups` add up scores of classes, which boxes do not have: leave them out for a detector")
    if options.softmax is not None:
        raise ContractError(
            "`softmax` is for classifiers: a detector's is `detection: {scores: softmax}` in MODEL.yaml"
        )
