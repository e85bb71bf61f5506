"""Boxes decoded, chosen and mapped: plain functions on arrays [N, 4] of ymin, xmin, ymax, xmax.

In fractions of the network's picture unless a function says otherwise.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mnv2_engines.engine.task_facts import BoxOrder
from mnv2_engines.predictions import Box
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tensors import FloatArray

__all__ = ["BoxCoder", "are_visible", "overlaps", "picture_boxes", "suppress"]

_FARTHEST: Final = 1e6
"""As far as a network's number may lead; divided by a scale below 1 a larger one may leave what float32 holds."""
_LARGEST_LOG: Final = 10.0
"""A box e^10 times its anchor has lost its way; without a bound it would be infinite."""
_PER_PX: Final = 100
"""Boxes are told in hundredths of a pixel: no network knows better."""
_FRACTION_DIGITS: Final = 6


class BoxCoder:
    """Decoder of a network's numbers into boxes, by the anchors that they are relative to.

    The box coder of Faster R-CNN (arXiv 1506.01497, section 3.1.2) with SSD's variances: centres move by a share of the
    anchor's size, sizes are its size times e to the number.
    """

    def __init__(self, anchors: FloatArray, order: BoxOrder, scales: tuple[float, float, float, float]) -> None:
        """Take the anchors apart; `order` and `scales` are `DetectionFacts`'."""
        self._size = anchors[:, 2:] - anchors[:, :2]  # height, width
        self._centre = anchors[:, :2] + self._size / 2
        self._places = np.array([0, 1, 2, 3] if order == "yxhw" else [1, 0, 3, 2])
        self._scales = np.array(scales, np.float32)

    def decode(self, encoded: FloatArray, chosen: npt.NDArray[np.intp]) -> FloatArray:
        """Return the boxes of the anchors `chosen`; `encoded` holds the numbers of all anchors, [N, 4]."""
        numbers = (np.clip(encoded[chosen], -_FARTHEST, _FARTHEST) / self._scales)[:, self._places]
        size = self._size[chosen]
        centre = numbers[:, :2] * size + self._centre[chosen]
        half = np.exp(np.minimum(numbers[:, 2:], _LARGEST_LOG)) * size / 2
        return np.concatenate([centre - half, centre + half], axis=1)


def are_visible(boxes: FloatArray) -> npt.NDArray[np.bool_]:
    """Return for each box whether it shows any of the network's picture: it is not empty, and not beyond the edges."""
    visible: npt.NDArray[np.bool_] = np.minimum(boxes[:, 2:], 1.0) > np.maximum(boxes[:, :2], 0.0)
    return visible[:, 0] & visible[:, 1]


def overlaps(box: FloatArray, others: FloatArray) -> FloatArray:
    """Return the intersection of one box with each of the others over their union; 0 where both are empty."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.maximum(high - low, 0.0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - common
    shares: FloatArray = common / np.maximum(union, np.float32(1e-12))
    return shares


def suppress(
    boxes: FloatArray, scores: FloatArray, classes: npt.NDArray[np.intp], iou: float, at_most: int
) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes to keep, best first: none overlaps a better one of its class by more than `iou`.

    Equal scores keep the order of their indices.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while waiting.size and len(kept) < at_most:
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        rivals = (overlaps(boxes[best], boxes[waiting]) > iou) & (classes[waiting] == classes[best])
        waiting = waiting[~rivals]
    return np.array(kept, np.intp)


def picture_boxes(boxes: FloatArray, size_hw: tuple[int, int], view: View) -> list[tuple[Box, Box] | None]:
    """Map boxes to the picture that `view` leads to: in pixels of it and in fractions, cut where the view ends.

    `size_hw` is the network's picture. None for a box of which nothing is left.
    """
    height, width = size_hw
    y = view.top + (boxes[:, 0::2].astype(np.float64) * height - view.net_top) * (view.height / view.net_height)
    x = view.left + (boxes[:, 1::2].astype(np.float64) * width - view.net_left) * (view.width / view.net_width)
    y = np.rint(np.clip(y, view.top, view.top + view.height) * _PER_PX)
    x = np.rint(np.clip(x, view.left, view.left + view.width) * _PER_PX)
    corners = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).tolist()
    return [_boxes(left, top, right, bottom, view) for left, top, right, bottom in corners]


def _boxes(left: float, top: float, right: float, bottom: float, view: View) -> tuple[Box, Box] | None:
    """Return a box of whole hundredths of a pixel as pixels and as fractions."""
    if right <= left or bottom <= top:
        return None
    sides = (left / _PER_PX, top / _PER_PX, (right - left) / _PER_PX, (bottom - top) / _PER_PX)
    whole = (view.source_width, view.source_height) * 2
    return Box(*sides), Box(*(round(side / of, _FRACTION_DIGITS) for side, of in zip(sides, whole, strict=True)))
