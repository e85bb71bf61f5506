"""Overlap of a segmenter's areas with the true ones."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mnv2_engines.predictions import UNSEEN
from mnv2_engines.tensors import UInt8Array

__all__ = ["AreaFigures", "SegmentationTally"]

_VALUES: Final = 256


@dataclass(frozen=True, slots=True)
class AreaFigures:
    """Figures of one class, in pixels of all pictures."""

    class_id: int
    true: int
    found: int
    both: int

    @property
    def iou(self) -> float:
        """Return intersection over union."""
        return self.both / (self.true + self.found - self.both)


class SegmentationTally:
    """Sums of pixels by true and found class, in half a megabyte for any number of pictures.

    Pixels whose truth is unlabelled (255, as VOC marks borders) and those that the network did not see are not judged.
    """

    def __init__(self) -> None:
        self._confusion = np.zeros((_VALUES, _VALUES), np.int64)
        self.pictures = 0

    def add(self, truth: UInt8Array, found: UInt8Array) -> float | None:
        """Count two maps of one size; return the picture's own mean IoU, None when nothing in it can be judged."""
        pairs = truth.astype(np.int64).reshape(-1) * _VALUES + found.reshape(-1)
        counts = np.bincount(pairs, minlength=_VALUES * _VALUES).reshape(_VALUES, _VALUES)
        self._confusion += counts
        self.pictures += 1
        return _mean_iou(_figures(counts))

    @property
    def judged(self) -> int:
        """Return how many pixels were judged."""
        return int(self._confusion[:UNSEEN, :UNSEEN].sum())

    @property
    def unseen(self) -> float:
        """Return which share of the labelled pixels the network did not see."""
        labelled = int(self._confusion[:UNSEEN].sum())
        return int(self._confusion[:UNSEEN, UNSEEN].sum()) / labelled if labelled else 0.0

    @property
    def pixel_accuracy(self) -> float:
        """Return which share of the judged pixels has its class."""
        return int(np.trace(self._confusion[:UNSEEN, :UNSEEN])) / self.judged if self.judged else 0.0

    @property
    def mean_iou(self) -> float:
        """Return the mean IoU of the classes that are true or found anywhere; 0 when nothing was judged."""
        return _mean_iou(self.classes()) or 0.0

    def classes(self) -> tuple[AreaFigures, ...]:
        """Return the figures of every class that is true or found anywhere, by class id."""
        return _figures(self._confusion)


def _figures(confusion: npt.NDArray[np.int64]) -> tuple[AreaFigures, ...]:
    judged = confusion[:UNSEEN, :UNSEEN]
    true, found, both = judged.sum(axis=1), judged.sum(axis=0), np.diagonal(judged)
    return tuple(
        AreaFigures(int(class_id), int(true[class_id]), int(found[class_id]), int(both[class_id]))
        for class_id in np.flatnonzero(true + found)
    )


def _mean_iou(classes: tuple[AreaFigures, ...]) -> float | None:
    return math.fsum(figures.iou for figures in classes) / len(classes) if classes else None
