"""The task of a classifier: from scores of classes to the best labels."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mnv2_engines.errors import ContractError, EngineError, InferenceError
from mnv2_engines.labels import check_label_count
from mnv2_engines.predictions import Findings, Prediction
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tasks import Task, TaskOptions, check_limits
from mnv2_engines.tasks.activation import detect_scale, known_scale, softmax
from mnv2_engines.tasks.label_groups import resolve_groups
from mnv2_engines.tensors import FloatArray, TensorSpec

__all__ = ["Classify", "make_classify"]

_TOP_K = 3
_SCORE_DIGITS = 6  # a float32 score has no more that mean anything


def make_classify(options: TaskOptions) -> Task:
    """Make the task `classify`.

    Raises ContractError when the network is not a classifier or the options make no sense, LabelsError when the number
    of labels is not that of the classes.
    """
    return Classify(options)


class Classify:
    """Ranking of the classes of one output by score.

    The output holds one number a class: [1, N], [N], or N with further axes of size 1. It becomes probabilities by
    softmax unless the network has one already; that is decided once, by `TaskOptions.softmax`, else by the operator
    that makes the output, else by the first frame. A group's score is the sum of its members', and it takes their place
    in the ranking; its class id is its lowest member's. Equal scores rank by class id, groups last.
    """

    name = "classify"

    def __init__(self, options: TaskOptions) -> None:
        classes = _count_classes(options.outputs)
        top_k, threshold = check_limits(options, _TOP_K, 0.0)
        labels = options.labels
        if labels is None:
            labels = tuple(f"class {class_id}" for class_id in range(classes))
        check_label_count(labels, classes, options.labels_source)
        groups = resolve_groups(options.groups, labels)
        self._classes = classes
        self._operators = options.final_operators
        self._labels = (*labels, *(group.label for group in groups))
        self._class_ids = (*range(classes), *(int(group.members[0]) for group in groups))
        self._groups = _GroupSums([group.members for group in groups], classes) if groups else None
        self._top_k = min(top_k, len(self._labels) - (self._groups.replaced if self._groups else 0))
        self._threshold = threshold
        self._softmax = options.softmax
        if self._softmax is None:
            scale = known_scale(options.outputs[0], options.final_operators[0] if options.final_operators else "")
            self._softmax = None if scale is None else scale == "logits"
        if classes == 1 and self._softmax is not False:
            raise ContractError(
                "the network has one class and does not end in a sigmoid, and softmax of one number is always 1: if it "
                "is a probability, set `task: {softmax: false}`"
            )

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:  # noqa: ARG002 - the seam's
        """Return at most `top_k` labels with a score of at least `score_threshold`, best first.

        Raises EngineError for an output that holds no numbers (NaN), ContractError when the first frame does not
        show whether softmax is needed.
        """
        scores = self._probabilities(outputs[0].reshape(-1))
        if self._groups is not None:
            scores = self._groups.extend(scores)
        best = _best(scores, self._top_k)
        return Findings(
            predictions=tuple(
                Prediction(self._class_ids[index], self._labels[index], min(1.0, round(score, _SCORE_DIGITS)))
                for index, score in zip(best, scores[best].tolist(), strict=True)
                if score >= self._threshold
            )
        )

    def _probabilities(self, scores: FloatArray) -> FloatArray:
        if scores.size != self._classes:
            raise InferenceError(f"the network gave {scores.size} numbers, {self._classes} were expected")
        peak = scores.max()  # NaN when one of them is
        if not math.isfinite(peak):
            raise EngineError(
                "the network's output holds NaN or infinity: its weights or its float16 range are broken; build the "
                "engine again with `mnv2-edge build-engine`"
            )
        if self._softmax is None:
            self._softmax = detect_scale(scores, self._operators) == "logits"
        return softmax(scores, peak) if self._softmax else scores


class _GroupSums:
    """Sums of the scores of groups, in a buffer that is reused for every frame."""

    def __init__(self, groups: Sequence[npt.NDArray[np.intp]], classes: int) -> None:
        self._classes = classes
        self._members = np.concatenate(groups)
        self._starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
        self._grouped = np.unique(self._members)
        self._extended = np.empty(classes + len(groups), np.float32)
        self.replaced = len(self._grouped)
        """How many classes are in a group."""

    def extend(self, scores: FloatArray) -> FloatArray:
        """Return scores followed by those of the groups; members of a group get -1, below every score."""
        extended = self._extended
        extended[: self._classes] = scores
        np.add.reduceat(scores[self._members], self._starts, out=extended[self._classes :])
        extended[self._grouped] = -1.0
        return extended


def _best(scores: FloatArray, count: int) -> list[int]:
    """Return the indices of the `count` highest scores, best first, equal ones in the order of their indices."""
    last = len(scores) - count
    lowest = np.partition(scores, last)[last]
    candidates = (scores >= lowest).nonzero()[0]  # more than `count` where several share the lowest score
    order = np.argsort(-scores[candidates], kind="stable")[:count]
    return [int(index) for index in candidates[order]]


def _count_classes(outputs: Sequence[TensorSpec]) -> int:
    shapes = ", ".join(f"{output.name} {list(output.shape)}" for output in outputs)
    if len(outputs) != 1:
        raise ContractError(
            f"the network has {len(outputs)} outputs ({shapes}), a classifier has one: is it a detector? Choose its "
            "task with `--task`; `mnv2-edge plugins` lists the tasks"
        )
    shape = outputs[0].shape
    axes = [size for size in shape if size != 1]
    if not shape or len(axes) > 1 or min(shape) < 1:
        raise ContractError(
            f"the network's output is {shapes}, a classifier's is [1, classes]: is it a segmenter or a detector? "
            "Choose its task with `--task`; `mnv2-edge plugins` lists the tasks"
        )
    return axes[0] if axes else 1
