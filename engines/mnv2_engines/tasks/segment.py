"""The task of a segmenter: which part of a picture belongs to which class."""

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mnv2_engines.engine.task_facts import SegmentationFacts
from mnv2_engines.errors import ContractError, EngineError, InferenceError
from mnv2_engines.labels import check_label_count
from mnv2_engines.predictions import UNSEEN, Box, Findings, Mask, Segment
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.tasks import MaskForm, Task, TaskOptions, check_limits
from mnv2_engines.tasks.class_map import ClassMap, voc_palette
from mnv2_engines.tensors import FloatArray, TensorSpec, UInt8Array

__all__ = ["Segmenter", "encode_mask", "make_segment", "palette_png", "run_lengths"]

_LEVEL = 4  # of zlib: areas are large and alike, more effort gains nothing


def encode_mask(class_map: ClassMap, form: MaskForm) -> Mask | None:
    """Return the mask in the form that was asked for; None for `none`."""
    if form == "none":
        return None
    height, width = class_map.pixels.shape
    if form == "rle":
        return Mask(width, height, class_map.box_px, runs=run_lengths(class_map.pixels))
    return Mask(width, height, class_map.box_px, png=base64.b64encode(palette_png(class_map.pixels)).decode("ascii"))


def run_lengths(pixels: UInt8Array) -> tuple[int, ...]:
    """Return value and number of pixels in turn, row by row, for as long as a value repeats."""
    flat = pixels.reshape(-1)
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    counts = np.diff(np.append(starts, flat.size))
    return tuple(np.stack([flat[starts], counts], axis=1).reshape(-1).tolist())


def palette_png(pixels: UInt8Array) -> bytes:
    """Return a PNG file whose pixel values are class ids, shown in VOC's colours, as VOC's own files are.

    OpenCV writes no palettes. Source: PNG specification (ISO/IEC 15948), colour type 3.
    """
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", voc_palette().tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


_LEAST_SHARE: Final = 0.01
"""A hundredth of the picture: less is speckle that comes and goes."""
_SHARE_DIGITS: Final = 6
_CHANNELS: Final = 64
"""OpenCV 5 resizes at most 128 at a time."""


def make_segment(options: TaskOptions) -> Task:
    """Make the task `segment`.

    Raises ContractError when the network is not a segmenter or the options make no sense, LabelsError when the number
    of labels is not that of the classes.
    """
    return Segmenter(options)


class Segmenter:
    """Decoder of the class of every pixel, and of every class' share of what the network saw.

    The output holds a class number a pixel, [1, H, W] (the network ends in ArgMax), or a score for every class and
    pixel, [1, H, W, classes] or [1, classes, H, W], of which the highest counts. Scores of a map that is smaller than
    the network's picture are enlarged before they are compared, as the network was trained.
    """

    name = "segment"

    def __init__(self, options: TaskOptions) -> None:
        if options.groups or options.softmax is not None or options.thresholds:
            raise ContractError("`groups`, `softmax` and `thresholds` have no meaning for a segmenter: leave them out")
        facts = options.segmentation or SegmentationFacts()
        self._top_k, self._least = check_limits(options, UNSEEN, _LEAST_SHARE)
        self._form, self._at_source = options.mask, options.mask_size == "source"
        self._size_hw = _picture_size(options.input)
        self._shape = _read_shape(options, facts)
        labels = options.labels or ()
        if self._shape.classes is not None and options.labels is not None:
            check_label_count(labels, self._shape.classes, options.labels_source)
        self._labels = labels
        names = [label.casefold() for label in labels]
        background = facts.background
        self._background = names.index("background") if background is None and "background" in names else background

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:
        """Return the classes with at least `score_threshold` of the picture, at most `top_k`, largest first.

        The class map has the network's pixels, without a letterbox's bars, or those of the whole picture. Raises
        EngineError for an output that holds no numbers (NaN), InferenceError for class numbers out of range.
        """
        classes = self._classes(outputs[0], view)
        shares = np.bincount(classes.reshape(-1), minlength=1) / classes.size
        order = np.argsort(-shares, kind="stable")
        found = [
            Segment(int(class_id), self._label(int(class_id)), round(float(shares[class_id]), _SHARE_DIGITS))
            for class_id in order
            if shares[class_id] >= max(self._least, 1 / classes.size) and class_id != self._background
        ]
        class_map = _at_source(classes, view) if self._at_source else ClassMap(classes, _visible(view))
        return Findings(
            segments=tuple(found[: self._top_k]), mask=encode_mask(class_map, self._form), class_map=class_map
        )

    def _classes(self, output: FloatArray, view: View) -> UInt8Array:
        """Return the class of every pixel that shows a part of the picture."""
        shape = self._shape
        if shape.classes is None:
            numbers = output.reshape(shape.height, shape.width)
            if not (numbers.min() >= 0 and numbers.max() < UNSEEN):  # NaN compares as False
                raise InferenceError(f"the network gave class numbers from {numbers.min()} to {numbers.max()}")
            return np.ascontiguousarray(_cut(numbers, view, self._size_hw), np.uint8)
        scores = output[0] if shape.classes_last else output[0].transpose(1, 2, 0)
        if not np.isfinite(scores).all():
            raise EngineError(
                "the network's output holds NaN or infinity: its weights or its float16 range are broken; build the "
                "engine again with `mnv2-edge build-engine`"
            )
        if (shape.height, shape.width) != self._size_hw:
            scores = _enlarge(scores, self._size_hw)
        return np.asarray(_cut(scores, view, self._size_hw).argmax(axis=2), np.uint8)

    def _label(self, class_id: int) -> str:
        return self._labels[class_id] if class_id < len(self._labels) else f"class {class_id}"


@dataclass(frozen=True, slots=True)
class _Shape:
    height: int
    width: int
    classes: int | None
    """None: the output holds class numbers."""
    classes_last: bool = True


def _read_shape(options: TaskOptions, facts: SegmentationFacts) -> _Shape:
    what = ", ".join(f"{output.name} {list(output.shape)}" for output in options.outputs)
    if len(options.outputs) != 1:
        raise ContractError(f"the network's outputs are {what}, a segmenter has one: choose its task with `--task`")
    spec = options.outputs[0]
    sides = [size for size in spec.shape if size != 1]
    if len(sides) == 2 and len(spec.shape) in (3, 4):
        return _Shape(sides[0], sides[1], None)
    if len(spec.shape) != 4 or min(spec.shape[1:]) < 2:
        raise ContractError(
            f"the network's output is {what}, a segmenter's is [1, height, width], with classes last or second: choose "
            "its task with `--task`"
        )
    _, first, second, third = spec.shape
    last = _has_classes_last(spec, options, facts)
    shape = _Shape(first, second, third) if last else _Shape(second, third, first, classes_last=False)
    if (shape.classes or 0) > UNSEEN:
        raise ContractError(f"the network has {shape.classes} classes: at most {UNSEEN} are supported")
    return shape


def _has_classes_last(spec: TensorSpec, options: TaskOptions, facts: SegmentationFacts) -> bool:
    """Find out where the classes are: stated, beside the picture's sides, as many as labels, or the odd one out."""
    if facts.layout is not None:
        return facts.layout == "NHWC"
    _, first, second, third = spec.shape
    count = len(options.labels or ())
    size_hw = _picture_size(options.input)
    for fits_last, fits_second in (
        ((first, second) == size_hw, (second, third) == size_hw),
        (third == count, first == count),
        (first == second != third, second == third != first),
    ):
        if fits_last != fits_second:
            return fits_last
    raise ContractError(
        f"the output {spec.name!r} is {list(spec.shape)}, which does not tell where its classes are: say it with "
        "`segmentation: {layout: NHWC}` or NCHW in MODEL.yaml"
    )


def _enlarge(scores: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """Resize [height, width, classes] to the network's picture, bilinearly."""
    import cv2

    enlarged: FloatArray = np.empty((*size_hw, scores.shape[2]), np.float32)
    for first in range(0, scores.shape[2], _CHANNELS):
        some = np.ascontiguousarray(scores[..., first : first + _CHANNELS])
        resized = cv2.resize(some, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
        enlarged[..., first : first + _CHANNELS] = resized.reshape(*size_hw, -1)  # of one channel it drops the axis
    return enlarged


def _cut(values: FloatArray, view: View, size_hw: tuple[int, int]) -> FloatArray:
    """Return the part of a map of the network's picture, of any size, that is not padding."""
    (top, bottom), (left, right) = (
        (round(start * side / whole), max(round((start + part) * side / whole), round(start * side / whole) + 1))
        for start, part, side, whole in (
            (view.net_top, view.net_height, values.shape[0], size_hw[0]),
            (view.net_left, view.net_width, values.shape[1], size_hw[1]),
        )
    )
    return values[top:bottom, left:right]


def _at_source(classes: UInt8Array, view: View) -> ClassMap:
    """Lay the classes over the whole picture; what the network has not seen is UNSEEN."""
    import cv2

    canvas = np.full((view.source_height, view.source_width), UNSEEN, np.uint8)
    fitted = cv2.resize(classes, (view.width, view.height), interpolation=cv2.INTER_NEAREST)
    canvas[view.top : view.top + view.height, view.left : view.left + view.width] = fitted
    return ClassMap(canvas, Box(0.0, 0.0, float(view.source_width), float(view.source_height)))


def _visible(view: View) -> Box:
    return Box(float(view.left), float(view.top), float(view.width), float(view.height))


def _picture_size(spec: TensorSpec | None) -> tuple[int, int]:
    if spec is None or spec.layout == "flat":
        raise ContractError("a segmenter has to know the size of its picture: expected `TaskOptions.input`")
    return spec.size_hw
