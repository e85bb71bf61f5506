"""Turn what cameras and decoders give into height x width x 3."""

from typing import Final

import numpy as np

from mnv2_edge.errors import SourceError
from mnv2_edge.sources.yuv import BT601_VIDEO, YuvCoding, decode_yuv
from mnv2_engines.preprocess import ColorOrder
from mnv2_engines.tensors import UInt8Array

__all__ = ["to_color"]

_THREE: Final[dict[str, ColorOrder]] = {"BGR": "BGR", "RGB": "RGB"}
_FOUR: Final[dict[str, ColorOrder]] = {"BGRx": "BGR", "RGBx": "RGB"}
_PLANAR: Final = {
    "I420": "COLOR_YUV2BGR_I420",
    "YV12": "COLOR_YUV2BGR_YV12",
    "NV12": "COLOR_YUV2BGR_NV12",
    "NV21": "COLOR_YUV2BGR_NV21",
}
_PACKED: Final = {"YUY2": "COLOR_YUV2BGR_YUY2", "UYVY": "COLOR_YUV2BGR_UYVY"}


def to_color(
    array: UInt8Array, layout: str, size: tuple[int, int], coding: YuvCoding = BT601_VIDEO
) -> tuple[UInt8Array, ColorOrder]:
    """Return the picture, contiguous and of width x height `size`, and the order of its channels.

    It is `array` itself when there is nothing to do. `layout` is GStreamer's name of the bytes in memory order; `array`
    is [height, row, 3] for BGR and RGB, [height, row, 4] for BGRx and RGBx, [height, row, 2] for YUY2 and UYVY,
    [3/2 height, row] for I420, YV12, NV12 and NV21, [height, row] for GRAY8. A row may be longer than the picture is
    wide. `coding` says what YUV means. Raises SourceError for another layout.
    """
    import cv2

    width, height = size
    if layout in _THREE:
        return np.ascontiguousarray(array[:height, :width]), _THREE[layout]
    if layout in _FOUR:
        return np.asarray(cv2.cvtColor(array[:height, :width], cv2.COLOR_BGRA2BGR), np.uint8), _FOUR[layout]
    if layout in _PLANAR or layout in _PACKED:
        if coding == BT601_VIDEO:  # the one that OpenCV knows, and is quick at
            code = getattr(cv2, _PLANAR.get(layout) or _PACKED[layout])
            whole = np.asarray(cv2.cvtColor(array, code), np.uint8)
        else:
            whole = decode_yuv(array, layout, coding)
        return np.ascontiguousarray(whole[:height, :width]), "BGR"
    if layout == "GRAY8":
        return np.asarray(cv2.cvtColor(array[:height, :width], cv2.COLOR_GRAY2BGR), np.uint8), "BGR"
    known = ", ".join((*_THREE, *_FOUR, *_PLANAR, *_PACKED, "GRAY8"))
    raise SourceError(f"the camera gives {layout} pictures: expected one of {known}")
