"""Drawing of results into a picture: boxes, areas, labels."""

import unicodedata
from typing import Final

import numpy as np

from mnv2_edge.pipeline.viewers import InferredFrame
from mnv2_edge.records import Result
from mnv2_engines.predictions import UNSEEN, Box
from mnv2_engines.tasks.class_map import ClassMap, voc_palette
from mnv2_engines.tensors import UInt8Array

__all__ = ["annotate"]

_OPACITY: Final = 0.5
_LINES_PER_PICTURE: Final = 24
"""Text is so large that this many lines would fill the picture's shorter side."""
_LEAST_SCALE: Final = 0.35
_GREY: Final = (64, 64, 64)
_WHITE: Final = (255, 255, 255)


def annotate(sighting: InferredFrame) -> UInt8Array:
    """Return the frame as BGR with its findings drawn in, in memory of its own.

    It has the frame's size: of a region only that is drawn. Boxes and areas have a colour for each class, the VOC's.
    """
    frame, result = sighting.frame, sighting.result
    pixels = frame.pixels if frame.color == "BGR" else frame.pixels[..., ::-1]
    canvas = np.array(pixels, np.uint8, order="C")  # a copy, also of a region, which is a view
    left, top = (frame.cut.left, frame.cut.top) if frame.cut is not None else (0, 0)
    segments = {segment.class_id for segment in result.segments}
    if sighting.class_map is not None and segments:
        _draw_areas(canvas, sighting.class_map, segments, left, top)
    brush = _Brush(canvas)
    for detection in reversed(result.detections):  # the best one on top
        color = _color(detection.class_id + 1)  # class 0 is black in the palette, VOC's background
        brush.draw_box(_shifted(detection.box_px, left, top), f"{detection.label} {detection.score:.2f}", color)
    for line, (text, color) in enumerate(_lines(result)):
        brush.write(text, 0, line * brush.line_height, color)
    return canvas


def _lines(result: Result) -> list[tuple[str, tuple[int, int, int]]]:
    """Return what stands in the corner: labels that have no place of their own, and the areas' colours."""
    labels = [(f"{found.label} {found.score:.2f}", _GREY) for found in result.predictions]
    areas = [(f"{found.label} {found.share:.0%}", _color(found.class_id)) for found in result.segments]
    return labels + areas


def _draw_areas(canvas: UInt8Array, class_map: ClassMap, classes: set[int], left: int, top: int) -> None:
    """Tint the areas of these classes; the map may have another size and cover a part of the picture only."""
    import cv2

    box = _shifted(class_map.box_px, left, top)
    x0, y0, x1, y1 = (round(edge) for edge in (box.left, box.top, box.right, box.bottom))
    fitted = cv2.resize(class_map.pixels, (max(1, x1 - x0), max(1, y1 - y0)), interpolation=cv2.INTER_NEAREST)
    height, width = canvas.shape[:2]
    inside = np.s_[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
    ids = fitted[max(0, -y0) :, max(0, -x0) :][: canvas[inside].shape[0], : canvas[inside].shape[1]]
    shown = np.isin(ids, [class_id for class_id in classes if class_id != UNSEEN])
    tint = voc_palette()[:, ::-1][ids]
    mixed = cv2.addWeighted(canvas[inside], 1.0 - _OPACITY, tint, _OPACITY, 0.0)
    canvas[inside][shown] = mixed[shown]


class _Brush:
    """Pen for one picture, with lines and letters that fit its size."""

    def __init__(self, canvas: UInt8Array) -> None:
        import cv2

        self._canvas = canvas
        shorter = min(canvas.shape[:2])
        self._font = cv2.FONT_HERSHEY_SIMPLEX
        self._width = max(1, round(shorter / 240))
        wanted = shorter / _LINES_PER_PICTURE
        self._scale = max(
            _LEAST_SCALE, cv2.getFontScaleFromHeight(self._font, max(1, round(wanted * 0.5)), self._width)
        )
        (_, height), below = cv2.getTextSize("Ag", self._font, self._scale, self._width)
        self._above, self._below = height + 2, below + 1
        self.line_height = self._above + self._below
        """In pixels."""

    def draw_box(self, box: Box, text: str, color: tuple[int, int, int]) -> None:
        """Draw a rectangle with its text above the upper edge, or below it where there is no room."""
        import cv2

        x0, y0, x1, y1 = (round(edge) for edge in (box.left, box.top, box.right, box.bottom))
        cv2.rectangle(self._canvas, (x0, y0), (x1 - 1, y1 - 1), color, self._width)
        self.write(text, x0, y0 - self.line_height if y0 >= self.line_height else y0, color)

    def write(self, text: str, x: int, y: int, color: tuple[int, int, int]) -> None:
        """Write a line in white on `color`, its upper left corner at (x, y)."""
        import cv2

        text = _plain(text)
        (width, _), _ = cv2.getTextSize(text, self._font, self._scale, self._width)
        x = max(0, min(x, self._canvas.shape[1] - width))
        cv2.rectangle(self._canvas, (x, y), (x + width, y + self.line_height - 1), color, -1)
        cv2.putText(self._canvas, text, (x, y + self._above), self._font, self._scale, _WHITE, self._width, cv2.LINE_AA)


def _shifted(box: Box, left: int, top: int) -> Box:
    """Return a box of the whole picture in pixels of the part that begins at (left, top)."""
    return Box(box.left - left, box.top - top, box.width, box.height)


def _color(class_id: int) -> tuple[int, int, int]:
    red, green, blue = voc_palette()[class_id % 256].tolist()
    return blue, green, red


def _plain(text: str) -> str:
    """Return the text in ASCII, which is all that OpenCV's letters have."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or "?"
