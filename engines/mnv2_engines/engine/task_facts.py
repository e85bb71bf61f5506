"""The meaning of a detector's or a segmenter's outputs, which no model file states; a part of the manifest."""

import math
from typing import Annotated, Literal, TypeAlias

import msgspec

from mnv2_engines.errors import ContractError

__all__ = ["BoxOrder", "DetectionFacts", "ScoreKind", "SegmentationFacts", "SsdAnchors"]

BoxOrder: TypeAlias = Literal["yxhw", "xywh"]
ScoreKind: TypeAlias = Literal["sigmoid", "softmax", "probabilities"]
_Side: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=4096)]
_MOST_ANCHORS = 1 << 20
"""Ten times what the densest detectors of this family have; more is a mistake that would fill the memory."""


class SsdAnchors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of TensorFlow's `ssd_anchor_generator`; the defaults are those of its SSDs of MobileNets.

    Source: object_detection/anchor_generators/multiple_grid_anchor_generator.py, `create_ssd_anchors`, and the
    configuration ssdlite_mobilenet_v2_coco.config, both of the TensorFlow model garden.
    """

    maps: tuple[tuple[_Side, _Side], ...] = ()
    """Rows and columns of every feature map, the largest first; empty: what `anchors.ssd_maps` derives."""
    min_scale: float = 0.2
    max_scale: float = 0.95
    aspect_ratios: tuple[float, ...] = (1.0, 2.0, 0.5, 3.0, 0.3333)
    """Width over height."""
    interpolated_aspect_ratio: float = 1.0
    """Of one more anchor between two scales; 0: there is none."""
    reduce_lowest: bool = True
    """The largest map has three anchors a place only: 0.1 of the picture, and ratios 2 and 1/2 of `min_scale`."""

    def __post_init__(self) -> None:
        """Raise ContractError for figures that make no sense."""
        numbers = (self.min_scale, self.max_scale, self.interpolated_aspect_ratio, *self.aspect_ratios)
        if not all(math.isfinite(number) and number >= 0 for number in numbers) or not self.aspect_ratios:
            raise ContractError("anchors: scales and aspect_ratios are expected to be numbers above 0")
        if not 0 < self.min_scale <= self.max_scale or min(self.aspect_ratios) <= 0:
            raise ContractError("anchors: expected 0 < min_scale <= max_scale, and aspect_ratios above 0")
        most = sum(rows * columns for rows, columns in self.maps) * (len(self.aspect_ratios) + 1)
        if most > _MOST_ANCHORS:
            raise ContractError(f"anchors: maps hold up to {most} of them, expected at most {_MOST_ANCHORS}")


class DetectionFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read boxes and scores of a detector that does not decode them itself."""

    ssd: SsdAnchors | None = None
    anchors: bytes | None = None
    """Instead of `ssd`: little-endian float32, ymin, xmin, ymax, xmax of every anchor in fractions of the network's
    picture."""
    box_order: BoxOrder = "yxhw"
    """Order of a box's four numbers, offsets of the centre and logarithms of the size: TensorFlow's, or Caffe's and
    PyTorch's."""
    box_scales: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    """What each of the four was multiplied by in training, in the same order: 1 / variance."""
    scores: ScoreKind = "sigmoid"
    background: Annotated[int, msgspec.Meta(ge=0)] | None = 0
    """The class that stands for nothing; None: there is none."""
    nms_iou: float = 0.6
    """Of two boxes of a class that overlap by more than this (intersection over union) the better one stays."""
    boxes_output: str = ""
    """Name of the output that holds the boxes, and of the scores'; empty: told by their shapes."""
    scores_output: str = ""
    first_class: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of a network that ends in TFLite_Detection_PostProcess: the label that its class 0 has."""

    def __post_init__(self) -> None:
        """Raise ContractError for figures that make no sense."""
        if not all(math.isfinite(scale) and scale > 0 for scale in self.box_scales):
            raise ContractError(f"box_scales {list(self.box_scales)}: expected four numbers above 0")
        if not 0 < self.nms_iou <= 1:
            raise ContractError(f"nms_iou {self.nms_iou}: expected 0 < IOU <= 1")


class SegmentationFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read the output of a segmenter."""

    background: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The class that stands for nothing; None: the one that is called `background`, if there is one."""
    layout: Literal["NHWC", "NCHW"] | None = None
    """Where scores have their classes: last, or second; None: told by the shape."""
