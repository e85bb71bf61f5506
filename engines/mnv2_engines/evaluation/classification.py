"""Counts of how often a classifier is right: in all, class by class, and above a score."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mnv2_engines.parity import clopper_pearson
from mnv2_engines.predictions import Prediction

__all__ = [
    "THRESHOLDS",
    "ClassFigures",
    "ClassificationTally",
    "ConfusedPair",
    "Confusion",
    "Proportion",
    "ThresholdFigures",
]

Confusion: TypeAlias = npt.NDArray[np.int32]
"""Pictures by [true class, predicted class]."""

THRESHOLDS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_TOP: Final = 5


@dataclass(frozen=True, slots=True)
class Proportion:
    """A count of `right` among `of`."""

    right: int
    of: int

    @property
    def value(self) -> float:
        """Return right / of; 0 of nothing."""
        return self.right / self.of if self.of else 0.0

    @property
    def interval_95(self) -> tuple[float, float]:
        """Return the exact 95 % confidence interval (Clopper and Pearson), if the pictures are a fair sample."""
        return clopper_pearson(self.right, self.of)


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class; they are missing for a class that has no pictures and is never predicted."""

    class_id: int
    pictures: int
    """How many show it."""
    predicted: int
    """How many are said to show it."""
    right: int

    @property
    def recall(self) -> float | None:
        """Return which share of its pictures is found; None without any."""
        return self.right / self.pictures if self.pictures else None

    @property
    def precision(self) -> float | None:
        """Return which share of what is called so is so; None when nothing is."""
        return self.right / self.predicted if self.predicted else None


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Count of the pictures of one class that are taken for another."""

    true_class: int
    predicted_class: int
    pictures: int


@dataclass(frozen=True, slots=True)
class ThresholdFigures:
    """Results published with this `score_threshold`: the best label of a picture, if its score reaches it."""

    threshold: float
    published: int
    right: int
    """Of those that are published."""

    @property
    def wrong(self) -> int:
        """Count wrong labels that are published."""
        return self.published - self.right


class ClassificationTally:
    """Sums of one network's answers. It holds a matrix of classes x classes and a few bytes a picture."""

    def __init__(self, classes: int) -> None:
        self._confusion: Confusion = np.zeros((classes, classes), np.int32)
        self._pictures = np.zeros(classes, np.int64)
        self._top5 = 0
        self._right_scores = array("d")
        self._wrong_scores = array("d")

    def add(self, truth: int, predictions: Sequence[Prediction]) -> bool:
        """Count one picture; return whether its best label is right.

        `predictions` come best first, as a task decodes them without a score threshold. None at all is wrong, and is
        counted in no column of the confusion matrix.
        """
        self._pictures[truth] += 1
        if any(prediction.class_id == truth for prediction in predictions[:_TOP]):
            self._top5 += 1
        if not predictions:
            return False
        best = predictions[0]
        self._confusion[truth, best.class_id] += 1
        right = best.class_id == truth
        (self._right_scores if right else self._wrong_scores).append(best.score)
        return right

    @property
    def pictures(self) -> int:
        """Return how many pictures were counted."""
        return int(self._pictures.sum())

    @property
    def top1(self) -> Proportion:
        """Return how often the best label is right."""
        return Proportion(len(self._right_scores), self.pictures)

    @property
    def top5(self) -> Proportion:
        """Return how often the truth is among the five best; always with five classes or fewer."""
        return Proportion(self._top5, self.pictures)

    @property
    def confusion(self) -> Confusion:
        """Return pictures by [true class, predicted class]; the tally goes on writing to it."""
        return self._confusion

    def classes(self) -> tuple[ClassFigures, ...]:
        """Return the figures of every class that has a picture or was predicted, by class id."""
        predicted = self._confusion.sum(axis=0)
        return tuple(
            ClassFigures(
                int(class_id),
                int(self._pictures[class_id]),
                int(predicted[class_id]),
                int(self._confusion[class_id, class_id]),
            )
            for class_id in np.flatnonzero(self._pictures + predicted)
        )

    def mean_recall(self) -> float:
        """Return the mean of the classes' recalls (balanced accuracy): every class weighs alike, however rare."""
        recalls = [figures.recall for figures in self.classes() if figures.recall is not None]
        return math.fsum(recalls) / len(recalls) if recalls else 0.0

    def confused(self, most: int) -> tuple[ConfusedPair, ...]:
        """Return the pairs of classes that are confused most often, the commonest first."""
        wrong = self._confusion.copy()
        np.fill_diagonal(wrong, 0)
        rows, columns = wrong.nonzero()
        pairs = [
            ConfusedPair(int(row), int(column), int(wrong[row, column]))
            for row, column in zip(rows, columns, strict=True)
        ]
        pairs.sort(key=lambda pair: -pair.pictures)
        return tuple(pairs[:most])

    def thresholds(self) -> tuple[ThresholdFigures, ...]:
        """Return what each of `THRESHOLDS` would let through; a score that equals the threshold is published."""
        right, wrong = np.asarray(self._right_scores), np.asarray(self._wrong_scores)
        return tuple(
            ThresholdFigures(
                threshold,
                int(np.count_nonzero(right >= threshold) + np.count_nonzero(wrong >= threshold)),
                int(np.count_nonzero(right >= threshold)),
            )
            for threshold in THRESHOLDS
        )

    def relabelled(self) -> Proportion:
        """Return how often the best label would be right if the classes were named anew to fit, one to one.

        Classes are paired by the largest counts first. Far above `top1` it says that the network tells the classes
        apart and that their names are in another order than in training.
        """
        counts = self._confusion
        order = np.argsort(-counts, axis=None, kind="stable")[: int(np.count_nonzero(counts))]
        taken_rows: set[int] = set()
        taken_columns: set[int] = set()
        right = 0
        for place in order:
            row, column = divmod(int(place), counts.shape[1])
            if row not in taken_rows and column not in taken_columns:
                taken_rows.add(row)
                taken_columns.add(column)
                right += int(counts[row, column])
        return Proportion(right, self.pictures)
