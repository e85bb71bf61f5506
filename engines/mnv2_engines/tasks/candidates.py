"""A detector's candidates: the boxes that reach a score, with class and score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from mnv2_engines.engine.task_facts import DetectionFacts, ScoreKind
from mnv2_engines.errors import ContractError, EngineError
from mnv2_engines.tasks.activation import known_scale
from mnv2_engines.tasks.boxes import BoxCoder
from mnv2_engines.tensors import FloatArray, TensorSpec

__all__ = ["AnchoredHeads", "CandidateReader", "Candidates", "DecodedBoxes", "describe_outputs", "is_decoded"]

_MOST: Final = 400
"""So many of the best scores go into the suppression of overlaps, which costs the square of that in the worst case."""
_OUTPUTS: Final = 4
_CLASSES: Final = 2.0**24
"""From here on float32 skips whole numbers: no class is called so."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes of one frame that reach their class' threshold; arrays of one length, not sorted."""

    boxes: FloatArray
    """[N, 4]: ymin, xmin, ymax, xmax in fractions of the network's picture; may reach beyond it."""
    scores: FloatArray
    classes: npt.NDArray[np.intp]

    def only(self, wanted: npt.NDArray[np.bool_]) -> "Candidates":
        """Return those that are wanted, in their order."""
        return Candidates(self.boxes[wanted], self.scores[wanted], self.classes[wanted])


class CandidateReader(Protocol):
    """Reader of candidates from one frame's outputs."""

    def read(self, outputs: Sequence[FloatArray], thresholds: FloatArray) -> Candidates:
        """Return every box whose score is at least its class' threshold (infinite: the class is not wanted).

        Raises EngineError when the outputs hold no numbers (NaN).
        """
        ...


class AnchoredHeads:
    """Reader of boxes relative to anchors, [anchors, 4], and of scores, [anchors, classes].

    Axes of size 1 may stand anywhere. Scores are sigmoids, a softmax over the classes, or probabilities already.
    """

    def __init__(
        self,
        outputs: Sequence[TensorSpec],
        facts: DetectionFacts,
        anchors: FloatArray,
        final_operators: Sequence[str] = (),
    ) -> None:
        """Find the two outputs. Raises ContractError when they do not fit the anchors.

        `final_operators` are the backend's: where the scores' is a sigmoid or softmax, that is applied already.
        """
        count = len(anchors)
        self._boxes, self._scores = _find_heads(outputs, facts, count)
        self.classes = int(np.prod(outputs[self._scores].shape)) // count
        self._count = count
        self._coder = BoxCoder(anchors, facts.box_order, facts.box_scales)
        operator = final_operators[self._scores] if final_operators else ""
        applied = known_scale(outputs[self._scores], operator) == "probabilities"
        self._kind: ScoreKind = "probabilities" if applied else facts.scores

    def read(self, outputs: Sequence[FloatArray], thresholds: FloatArray) -> Candidates:
        """Return the best candidates, as `CandidateReader.read`; at most 400."""
        encoded = outputs[self._boxes].reshape(self._count, 4)
        logits = outputs[self._scores].reshape(self._count, -1)
        if not (np.isfinite(encoded).all() and np.isfinite(logits).all()):
            raise _broken()
        anchors, classes, scores = self._choose(logits, thresholds)
        if len(scores) > _MOST:
            best = _best(scores, _MOST)
            anchors, classes, scores = anchors[best], classes[best], scores[best]
        return Candidates(self._coder.decode(encoded, anchors), scores, classes)

    def _choose(
        self, logits: FloatArray, thresholds: FloatArray
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
        """Return anchor, class and score of what reaches the thresholds; exponentials are of those alone."""
        if self._kind == "softmax":
            return _choose_softmax(logits, thresholds)
        if self._kind == "probabilities":
            anchors, classes = (logits >= thresholds).nonzero()
            return anchors, classes, logits[anchors, classes]
        anchors, classes = (logits >= _logit(thresholds)).nonzero()
        with np.errstate(over="ignore"):  # of a logit below -88, whose score is 0
            scores: FloatArray = np.reciprocal(np.float32(1) + np.exp(-logits[anchors, classes]))
        return anchors, classes, scores


class DecodedBoxes:
    """Reader of the four outputs of TFLite_Detection_PostProcess: boxes, classes, scores, and their number.

    It has suppressed overlaps already. Its classes count from the one behind the background; `first_class` is added.
    """

    def __init__(self, first_class: int) -> None:
        self._first_class = first_class

    def read(self, outputs: Sequence[FloatArray], thresholds: FloatArray) -> Candidates:
        """Return what reaches the thresholds, as `CandidateReader.read`; the last threshold is every further class'."""
        boxes, classes, scores, count = outputs
        if not np.isfinite(count).all():
            raise _broken()
        many = max(0, min(int(count.reshape(-1)[0]), scores.size))
        boxes, classes, scores = boxes.reshape(-1, 4)[:many], classes.reshape(-1)[:many], scores.reshape(-1)[:many]
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all() and (np.abs(classes) < _CLASSES).all()):
            raise _broken()
        ids = np.rint(classes).astype(np.intp) + self._first_class
        wanted = (ids >= 0) & (scores >= thresholds[np.clip(ids, 0, len(thresholds) - 1)])
        return Candidates(boxes[wanted], scores[wanted].copy(), ids[wanted])


def is_decoded(outputs: Sequence[TensorSpec]) -> bool:
    """Return whether these are the outputs of TFLite_Detection_PostProcess: [1, N, 4], [1, N], [1, N], [1]."""
    if len(outputs) != _OUTPUTS:
        return False
    boxes, classes, scores, count = (output.shape for output in outputs)
    return len(boxes) == 3 and boxes[2] == 4 and classes == scores == boxes[:2] and count in {(1,), ()}


def describe_outputs(outputs: Sequence[TensorSpec]) -> str:
    """Return names and shapes, for messages."""
    return ", ".join(f"{output.name} {list(output.shape)}" for output in outputs)


def _find_heads(outputs: Sequence[TensorSpec], facts: DetectionFacts, anchors: int) -> tuple[int, int]:
    """Return which output holds the boxes and which one the scores, by name or by how many numbers they have."""
    sizes = [int(np.prod(output.shape)) for output in outputs]
    have = f"the network's outputs are {describe_outputs(outputs)}"
    names = [output.name for output in outputs]
    for name in (facts.boxes_output, facts.scores_output):
        if name and name not in names:
            raise ContractError(f"{have}: none is called {name!r}")
    if facts.boxes_output and facts.scores_output:
        boxes, scores = names.index(facts.boxes_output), names.index(facts.scores_output)
        if sizes[boxes] == 4 * anchors and sizes[scores] % anchors == 0 and boxes != scores:
            return boxes, scores
    elif len(outputs) == 2 and all(size and size % anchors == 0 for size in sizes):
        fours = [place for place, size in enumerate(sizes) if size == 4 * anchors]
        if len(fours) == 1:
            return fours[0], 1 - fours[0]
        if len(fours) == 2:
            raise ContractError(
                f"{have}: both have four numbers an anchor; say which is which with `detection: {{boxes_output: NAME, "
                "scores_output: NAME}` in MODEL.yaml"
            )
    raise ContractError(
        f"{have}: with {anchors} anchors, boxes of {4 * anchors} numbers and scores of {anchors} a class were "
        "expected; do the anchors fit the network's size?"
    )


def _choose_softmax(
    logits: FloatArray, thresholds: FloatArray
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Return what reaches the thresholds after a softmax over the classes.

    A probability is at most e to the distance from the largest logit, so few rows need their exponentials.
    """
    with np.errstate(divide="ignore", over="ignore"):  # the logarithm of 0, and farther than float32 goes
        distances = logits - logits.max(axis=1, keepdims=True)
        anchors, classes = (distances >= np.log(thresholds)).nonzero()
    rows, inverse = np.unique(anchors, return_inverse=True)
    sums = np.exp(distances[rows]).sum(axis=1)
    scores = np.exp(distances[anchors, classes]) / sums[inverse]
    enough = scores >= thresholds[classes]
    return anchors[enough], classes[enough], scores[enough]


def _best(scores: FloatArray, many: int) -> npt.NDArray[np.intp]:
    """Return the indices of the best scores in their order; of equal ones, of which int8 has many, the first."""
    least = np.partition(scores, len(scores) - many)[len(scores) - many]
    better = scores > least
    equal = (scores == least).nonzero()[0][: many - int(better.sum())]
    better[equal] = True
    best: npt.NDArray[np.intp] = better.nonzero()[0]
    return best


def _logit(thresholds: FloatArray) -> FloatArray:
    """Return the numbers whose sigmoids these are: minus infinity for 0, infinity for what is not wanted.

    16 for 1, where float32 knows no sigmoid between this one and 1.
    """
    inner = np.clip(thresholds, 1e-30, 1 - 1e-7).astype(np.float64)
    logits = np.log(inner) - np.log1p(-inner)
    return np.where(thresholds <= 0, -np.inf, np.where(thresholds > 1, np.inf, logits)).astype(np.float32)


def _broken() -> EngineError:
    return EngineError(
        "the network's output holds NaN or infinity: its weights or its float16 range are broken; build the engine "
        "again with `mnv2-edge build-engine`"
    )
