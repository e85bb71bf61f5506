"""Scores of results on frames whose truth is known.

A scorer is an observer of the pipeline. It is given the truth as a function of a frame's index and asks it here and
nowhere else, so nothing on the way from the source to a result can know it.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from mnv2_edge.demo import TrueSign
from mnv2_edge.records import Record, Result
from mnv2_engines.predictions import Box, Detection, Mask

__all__ = ["AreaScorer", "BoxScorer", "LabelScorer", "Scorer"]

_SAME_PLACE: Final = 0.5  # intersection over union, as PASCAL VOC counts a box as found


class Scorer(Protocol):
    """Comparison of results with the truth."""

    @property
    def score(self) -> float:
        """Return how good the results so far are, 0 to 1; 0 before the first."""
        ...

    @property
    def verdict(self) -> str:
        """Return in words and numbers what was right."""
        ...

    def publish(self, record: Record) -> None:
        """Score a result; other records are passed over."""
        ...


class LabelScorer:
    """Comparison of every result's best label with the true one; a result without a label is wrong."""

    def __init__(self, truth: Callable[[int], str]) -> None:
        self._truth = truth
        self.right = 0
        self.wrong = 0

    @property
    def score(self) -> float:
        """Return how many of the scored frames were right."""
        scored = self.right + self.wrong
        return self.right / scored if scored else 0.0

    @property
    def verdict(self) -> str:
        """Return how many were right."""
        return f"{self.right} right, {self.wrong} wrong: {100 * self.score:.1f} %"

    def publish(self, record: Record) -> None:
        """Score a result."""
        if not isinstance(record, Result):
            return
        if record.predictions and record.predictions[0].label == self._truth(record.frame):
            self.right += 1
        else:
            self.wrong += 1


class BoxScorer:
    """Comparison of detections with the true signs: the same label, and boxes that overlap by half or more.

    Each sign is found once at most; what finds none is false, be it the second box on one sign.
    """

    def __init__(self, truth: Callable[[int], Sequence[TrueSign]]) -> None:
        self._truth = truth
        self.found = 0
        self.missed = 0
        self.false = 0

    @property
    def score(self) -> float:
        """Return the share of signs found, or that of detections that are right, whichever is lower."""
        if not self.found:
            return 0.0
        return self.found / (self.found + max(self.missed, self.false))

    @property
    def verdict(self) -> str:
        """Return how many were found, missed and made up."""
        return (
            f"{self.found} of {self.found + self.missed} signs found, {self.false} detections false: "
            f"{100 * self.score:.1f} %"
        )

    def publish(self, record: Record) -> None:
        """Score a result."""
        if not isinstance(record, Result):
            return
        left = list(self._truth(record.frame))
        false = 0
        for detection in record.detections:  # best first, so the better one of two keeps the sign
            match = next((sign for sign in left if _is_sign(detection, sign)), None)
            if match is None:
                false += 1
            else:
                left.remove(match)
                self.found += 1
        self.missed += len(left)
        self.false += false


class AreaScorer:
    """Comparison of every result's mask with the true one: mean intersection over union of all classes.

    `truth` is asked for a frame's index and the mask's width and height, and gives class ids as uint8 (height, width);
    0 is background. A result without a mask counts as one that is all background.
    """

    def __init__(self, truth: Callable[[int, tuple[int, int]], npt.NDArray[np.uint8]], labels: Sequence[str]) -> None:
        """`labels` are those of the class ids, background first."""
        self._truth = truth
        self._labels = tuple(labels)
        self._pixels = np.zeros((len(labels), len(labels)), np.int64)

    @property
    def score(self) -> float:
        """Return the mean over the classes that were there or were claimed."""
        overlaps = [overlap for _, overlap in self._overlaps()]
        return sum(overlaps) / len(overlaps) if overlaps else 0.0

    @property
    def verdict(self) -> str:
        """Say the mean and the worst class."""
        overlaps = self._overlaps()
        if not overlaps:
            return "nothing was scored"
        label, worst = min(overlaps, key=lambda entry: entry[1])
        return f"mean IoU {self.score:.3f} over {len(overlaps)} classes, the worst is {label} with {worst:.3f}"

    def publish(self, record: Record) -> None:
        """Score a result."""
        if not isinstance(record, Result):
            return
        size = (record.width, record.height) if record.mask is None else (record.mask.width, record.mask.height)
        truth = self._truth(record.frame, size)
        said = np.zeros_like(truth) if record.mask is None else _class_ids(record.mask)
        classes = len(self._labels)
        said = np.where(said < classes, said, 0)  # what was not seen is not claimed
        pairs = truth.astype(np.int64) * classes + said
        self._pixels += np.bincount(pairs.ravel(), minlength=classes * classes).reshape(classes, classes)

    def _overlaps(self) -> list[tuple[str, float]]:
        both = self._pixels.diagonal()
        either = self._pixels.sum(axis=0) + self._pixels.sum(axis=1) - both
        return [
            (label, float(both[place] / either[place])) for place, label in enumerate(self._labels) if either[place]
        ]


def _is_sign(detection: Detection, sign: TrueSign) -> bool:
    return detection.label == sign.label and _overlap(detection.box_fraction, sign.box) >= _SAME_PLACE


def _overlap(box: Box, other: tuple[float, float, float, float]) -> float:
    """Return intersection over union; `other` is left, top, right and bottom."""
    left, top, right, bottom = other
    width = min(box.right, right) - max(box.left, left)
    height = min(box.bottom, bottom) - max(box.top, top)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (box.width * box.height + (right - left) * (bottom - top) - both)


def _class_ids(mask: Mask) -> npt.NDArray[np.uint8]:
    """Return the mask that the runs of a record stand for, (height, width)."""
    runs = np.array(mask.runs, np.int64).reshape(-1, 2)
    return np.repeat(runs[:, 0], runs[:, 1]).astype(np.uint8).reshape(mask.height, mask.width)
