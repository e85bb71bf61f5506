"""The boxes found in one picture, compared with the true ones, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mnv2_engines.evaluation.detection import TruthBox
from mnv2_engines.predictions import Box, Detection

__all__ = ["SURE", "BoxMatches", "match_boxes"]

SURE: Final = 0.5
"""Score from which on a detection counts here; average precision looks at all of them."""
_FITS: Final = 0.5


@dataclass(frozen=True, slots=True)
class BoxMatches:
    """Which boxes of one picture are right; a box in a crowd counts neither as right nor as wrong."""

    right: tuple[Detection, ...]
    extra: tuple[Detection, ...]
    """Sure, and no such thing is there, or another detection has it; the surest first."""
    missed: tuple[TruthBox, ...]

    @property
    def wrong(self) -> int:
        """Count what is wrong."""
        return len(self.extra) + len(self.missed)


def match_boxes(truth: Sequence[TruthBox], found: Sequence[Detection]) -> BoxMatches:
    """Match sure detections with things of their class, as COCO does for an overlap (IoU) of 0.5.

    The surest detection chooses first, and takes the thing that it fits best. A crowd is taken by as many as lie in it
    by half.
    """
    left = [box for box in truth if not box.crowd]
    crowds = [box for box in truth if box.crowd]
    right, extra = [], []
    for one in sorted((one for one in found if one.score >= SURE), key=lambda one: one.score, reverse=True):
        fitting = [(_overlap(one.box_px, box), place) for place, box in enumerate(left) if box.class_id == one.class_id]
        best, place = max(fitting, default=(0.0, -1), key=lambda fit: fit[0])
        if best >= _FITS:
            right.append(one)
            del left[place]
        elif not any(box.class_id == one.class_id and _overlap(one.box_px, box) >= _FITS for box in crowds):
            extra.append(one)
    return BoxMatches(tuple(right), tuple(extra), tuple(left))


def _overlap(one: Box, box: TruthBox) -> float:
    """Return intersection over union; of a crowd, over the detection alone."""
    width = min(one.right, box.left + box.width) - max(one.left, box.left)
    height = min(one.bottom, box.top + box.height) - max(one.top, box.top)
    both = max(0.0, width) * max(0.0, height)
    area = one.width * one.height
    whole = area if box.crowd else area + box.width * box.height - both
    return both / whole if whole > 0 else 0.0
