"""Colours come back out of every coding: written by the recommendations' own formulas, a pixel at a time."""

import itertools

import numpy as np
import pytest

from mnv2_edge.sources.pixels import BT601_VIDEO, YuvCoding, to_color
from support.yuv import BRIGHTNESS, encode_yuv

RGB = np.array(list(itertools.product((0, 128, 255), repeat=3)), np.float64)
CODINGS = [YuvCoding(encoding, full_range=full) for encoding in BRIGHTNESS for full in (False, True)]


def encode(rgb: np.ndarray, coding: YuvCoding) -> np.ndarray:
    return encode_yuv(rgb, coding.encoding, full_range=coding.full_range)


def picture(yuv: np.ndarray, layout: str) -> np.ndarray:
    """Lay every colour out as a block of 4x4 pixels, in a row."""
    y, u, v = (np.repeat(np.repeat(plane[None], 4, 0), 4, 1) for plane in yuv.T)
    half_u, half_v = u[::2, ::2], v[::2, ::2]
    width = y.shape[1]
    if layout in ("I420", "YV12"):
        pair = (half_u, half_v) if layout == "I420" else (half_v, half_u)
        return np.concatenate([y.reshape(-1), *(plane.reshape(-1) for plane in pair)]).reshape(6, width)
    if layout in ("NV12", "NV21"):
        pair = (half_u, half_v) if layout == "NV12" else (half_v, half_u)
        return np.concatenate([y.reshape(-1), np.stack(pair, -1).reshape(-1)]).reshape(6, width)
    chroma = np.where(np.arange(width) % 2 == 0, u, v)
    return np.stack([y, chroma] if layout == "YUY2" else [chroma, y], -1)


@pytest.mark.parametrize("layout", ["I420", "YV12", "NV12", "NV21", "YUY2", "UYVY"])
@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_colours_come_back(coding: YuvCoding, layout: str) -> None:
    array = picture(encode(RGB, coding), layout)
    pixels, color = to_color(array, layout, (4 * len(RGB), 4), coding)
    assert color == "BGR"
    assert pixels.shape == (4, 4 * len(RGB), 3)
    seen = pixels[2, 2::4, ::-1].astype(int)
    assert np.abs(seen - RGB).max() <= 3
    assert (pixels == np.repeat(np.repeat(pixels[:1, ::4], 4, 0), 4, 1)).all()


def test_the_wrong_coding_would_show() -> None:
    array = picture(encode(RGB, YuvCoding("Rec709")), "NV12")
    taken_for_601, _ = to_color(array, "NV12", (4 * len(RGB), 4), BT601_VIDEO)
    assert np.abs(taken_for_601[2, 2::4, ::-1].astype(int) - RGB).max() > 20


def test_padding_at_the_end_of_rows_is_left_out() -> None:
    coding = YuvCoding("Rec709")
    array = picture(encode(RGB, coding), "I420")
    pixels, _ = to_color(array, "I420", (40, 4), coding)
    assert pixels.shape == (4, 40, 3)
    assert np.abs(pixels[0, ::4, ::-1].astype(int) - RGB[:10]).max() <= 3
