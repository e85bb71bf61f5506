"""Pictures of cameras and decoders as height x width x 3."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from mnv2_edge.errors import SourceError
from mnv2_engines.preprocessing.preprocess import ColorOrder
from mnv2_engines.tensors import FloatArray, UInt8Array

__all__ = ["BT601_VIDEO", "KR_KB", "YuvCoding", "decode_yuv", "to_color"]

KR_KB: Final = {
    "Rec601": (0.299, 0.114),  # ITU-R BT.601-7, 2.5.1
    "Rec709": (0.2126, 0.0722),  # ITU-R BT.709-6, item 3.2
    "Rec2020": (0.2627, 0.0593),  # ITU-R BT.2020-2, table 4, non-constant luminance
}
"""By libcamera's name of the encoding: the shares of red and blue in the brightness."""

_Planes: TypeAlias = tuple[UInt8Array, UInt8Array, UInt8Array]


@dataclass(frozen=True, slots=True)
class YuvCoding:
    """How to get back from YUV to colours."""

    encoding: str = "Rec601"
    """A key of `KR_KB`."""
    full_range: bool = False
    """True: all three run from 0 to 255, as in JPEG. False: brightness from 16 to 235, differences from 16 to 240."""

    @property
    def matrix(self) -> FloatArray:
        """Return 3x4 that makes (blue, green, red) of (Y, U, V, 1), all of them from 0 to 255."""
        kr, kb = KR_KB[self.encoding]
        kg = 1.0 - kr - kb
        luma, chroma, black = (1.0, 1.0, 0.0) if self.full_range else (255 / 219, 255 / 224, 16.0)
        blue_u, red_v = 2 * (1 - kb) * chroma, 2 * (1 - kr) * chroma
        rows = np.array(
            [[luma, blue_u, 0.0], [luma, -blue_u * kb / kg, -red_v * kr / kg], [luma, 0.0, red_v]], np.float64
        )
        offset = -rows @ np.array([black, 128.0, 128.0])
        return np.hstack([rows, offset[:, None]]).astype(np.float32)


BT601_VIDEO: Final = YuvCoding()


def decode_yuv(array: UInt8Array, layout: str, coding: YuvCoding) -> UInt8Array:
    """Return BGR of as many pixels as `array` has, padding included; layouts and shapes as in `pixels.to_color`.

    Each difference is repeated for the pixels that share it, as OpenCV's own conversion does, which knows BT.601 in
    video range alone.
    """
    import cv2

    y, u, v = _packed(array, layout) if array.ndim == 3 else _planar(array, layout)
    size = (y.shape[1], y.shape[0])
    wide = [cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_NEAREST) for plane in (u, v)]
    return np.asarray(cv2.transform(cv2.merge([np.ascontiguousarray(y), *wide]), coding.matrix), np.uint8)


def _planar(array: UInt8Array, layout: str) -> _Planes:
    rows, row = array.shape[0] * 2 // 3, array.shape[1]
    luma, rest = array[:rows], np.ascontiguousarray(array[rows:])
    if layout in ("I420", "YV12"):
        first, second = rest.reshape(2, rows // 2, row // 2)
    else:
        pairs = rest.reshape(rows // 2, row // 2, 2)
        first, second = pairs[..., 0], pairs[..., 1]
    return (luma, first, second) if layout in ("I420", "NV12") else (luma, second, first)


def _packed(array: UInt8Array, layout: str) -> _Planes:
    luma, chroma = (0, 1) if layout == "YUY2" else (1, 0)
    return array[..., luma], array[:, 0::2, chroma], array[:, 1::2, chroma]


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
