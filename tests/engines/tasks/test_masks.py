"""Class maps in records can be read by whoever gets them."""

import base64
import itertools

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mnv2_engines.predictions import Box
from mnv2_engines.tasks.class_map import ClassMap, voc_palette
from mnv2_engines.tasks.segment import encode_mask, palette_png, run_lengths

BOX = Box(1.0, 2.0, 3.0, 4.0)

maps = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).choice([0, 3, 255], drawn[:2]).astype(np.uint8)
)


@settings(deadline=None)
@given(maps)
def test_run_lengths_give_the_pixels_back(pixels):
    runs = run_lengths(pixels)
    values, counts = runs[0::2], runs[1::2]
    assert all(one != other for one, other in itertools.pairwise(values))
    assert np.array_equal(np.repeat(values, counts).reshape(pixels.shape), pixels)


def test_run_lengths_by_hand():
    assert run_lengths(np.array([[0, 0, 15], [15, 15, 0]], np.uint8)) == (0, 2, 15, 3, 0, 1)


@settings(deadline=None)
@given(maps)
def test_a_png_shows_vocs_colours(pixels):
    shown = cv2.imdecode(np.frombuffer(palette_png(pixels), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(shown[:, :, ::-1], voc_palette()[pixels])


def test_the_palette_is_the_devkits():
    # The first and last classes as the VOC 2012 development kit prints them, and the void.
    colors = voc_palette()
    assert colors[[0, 1, 2, 3, 15, 20, 255]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192],
    ]  # fmt: skip
    assert len(np.unique(colors, axis=0)) == 256


def test_one_form_at_a_time():
    pixels = np.array([[3, 3]], np.uint8)
    assert encode_mask(ClassMap(pixels, BOX), "none") is None
    runs = encode_mask(ClassMap(pixels, BOX), "rle")
    assert (runs.width, runs.height, runs.box_px, runs.runs, runs.png) == (2, 1, BOX, (3, 2), "")
    png = encode_mask(ClassMap(pixels, BOX), "png")
    assert png.runs == ()
    assert base64.b64decode(png.png) == palette_png(pixels)
