"""COCO's figures of a detector: average precision over classes and over how well boxes have to fit."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from mnv2_engines.errors import BackendUnavailableError
from mnv2_engines.predictions import Detection

if TYPE_CHECKING:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

__all__ = ["ClassPrecision", "DetectionFigures", "DetectionTally", "TruthBox"]

_MOST: Final = 100
"""Detections a picture that COCO judges."""


@dataclass(frozen=True, slots=True)
class TruthBox:
    """One thing in a picture, as COCO's annotations have it."""

    class_id: int
    left: float
    """In pixels of the upright picture; so are the next three."""
    top: float
    width: float
    height: float
    area: float
    """Of the thing, not of its box, where that is known: it decides what is small, medium and large."""
    crowd: bool = False
    """Many things in one box: detections in it are neither right nor wrong."""


@dataclass(frozen=True, slots=True)
class ClassPrecision:
    """Average precision of one class."""

    class_id: int
    boxes: int
    """How many there are, crowds left out."""
    ap: float
    ap50: float


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """COCO's figures, 0 to 1; None where no box is of that size."""

    ap: float
    """Over classes, and over the overlaps (IoU) of 0.5, 0.55 .. 0.95 that a box has to reach: what is called mAP."""
    ap50: float
    ap75: float
    ap_small: float | None
    """Of boxes below 32 x 32 pixels; medium ones are below 96 x 96."""
    ap_medium: float | None
    ap_large: float | None
    recall: float
    """Average recall with at most 100 detections a picture."""
    classes: tuple[ClassPrecision, ...]


class DetectionTally:
    """Truth and detections of every picture; some hundred bytes for each."""

    def __init__(self, class_ids: Sequence[int]) -> None:
        """Count these classes; other detections are ignored. Raises BackendUnavailableError.

        pycocotools is looked for now, not when all pictures have been seen.
        """
        self._coco, self._eval = _import_coco()
        self._class_ids = tuple(sorted(class_ids))
        self._truth: list[dict[str, object]] = []
        self._found: list[dict[str, object]] = []
        self._boxes = dict.fromkeys(self._class_ids, 0)
        self.pictures = 0

    def add(self, truth: Sequence[TruthBox], detections: Sequence[Detection]) -> None:
        """Count one picture; boxes on both sides are in pixels of the whole upright picture."""
        self.pictures += 1
        for box in truth:
            self._boxes[box.class_id] += not box.crowd
            sides = (box.left, box.top, box.width, box.height)
            self._truth.append(self._entry(self._truth, box.class_id, sides, box.area) | {"iscrowd": int(box.crowd)})
        for detection in detections:
            if detection.class_id in self._boxes:
                found = detection.box_px
                sides = (found.left, found.top, found.width, found.height)
                entry = self._entry(self._found, detection.class_id, sides, found.width * found.height)
                self._found.append(entry | {"iscrowd": 0, "score": detection.score})

    @property
    def boxes(self) -> int:
        """Return how many things there are, crowds left out."""
        return sum(self._boxes.values())

    def figures(self) -> DetectionFigures:
        """Work out the figures."""
        judged = self._judge()
        precision: npt.NDArray[np.float64] = judged.eval["precision"]  # [IoU, recall, class, size, detections]
        return DetectionFigures(
            ap=_mean(precision[..., 0, -1]) or 0.0,
            ap50=_mean(precision[0, :, :, 0, -1]) or 0.0,
            ap75=_mean(precision[5, :, :, 0, -1]) or 0.0,
            ap_small=_mean(precision[..., 1, -1]),
            ap_medium=_mean(precision[..., 2, -1]),
            ap_large=_mean(precision[..., 3, -1]),
            recall=_mean(judged.eval["recall"][..., 0, -1]) or 0.0,
            classes=tuple(
                ClassPrecision(
                    class_id,
                    self._boxes[class_id],
                    _mean(precision[:, :, place, 0, -1]) or 0.0,
                    _mean(precision[0, :, place, 0, -1]) or 0.0,
                )
                for place, class_id in enumerate(self._class_ids)
                if self._boxes[class_id]
            ),
        )

    def _judge(self) -> "COCOeval":
        sides = []
        with contextlib.redirect_stdout(io.StringIO()):  # it reports on every step
            for annotations in (self._truth, self._found):
                side = self._coco()
                side.dataset = {
                    "images": [{"id": picture} for picture in range(1, self.pictures + 1)],
                    "categories": [{"id": class_id} for class_id in self._class_ids],
                    "annotations": annotations,
                }
                side.createIndex()
                sides.append(side)
            judged = self._eval(*sides, "bbox")
            judged.params.maxDets = [1, 10, _MOST]
            judged.evaluate()
            judged.accumulate()
        return judged

    def _entry(
        self, before: Sequence[object], class_id: int, sides: tuple[float, float, float, float], area: float
    ) -> dict[str, object]:
        # An id of 0 would count as "matched with nothing".
        return {
            "id": len(before) + 1,
            "image_id": self.pictures,
            "category_id": class_id,
            "bbox": list(sides),
            "area": area,
        }


def _import_coco() -> "tuple[type[COCO], type[COCOeval]]":
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as exc:
        raise BackendUnavailableError(
            "pycocotools is not importable, which judges boxes: `pip install 'mnv2-edge[evaluate]'`"
        ) from exc
    return COCO, COCOeval


def _mean(values: "npt.NDArray[np.float64]") -> float | None:
    """Return the mean of what could be judged; -1 stands for what could not."""
    judged = values[values > -1]
    return float(judged.mean()) if judged.size else None
