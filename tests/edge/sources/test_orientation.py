"""Upright pictures from a camera that hangs askew."""

import numpy as np
import pytest

from mnv2_edge.sources.orientation import orient

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("rotate", "flip", "expected"),
    [
        (0, "none", PICTURE),
        (90, "none", np.rot90(PICTURE, -1)),
        (180, "none", np.rot90(PICTURE, 2)),
        (270, "none", np.rot90(PICTURE, 1)),
        (0, "horizontal", PICTURE[:, ::-1]),
        (0, "vertical", PICTURE[::-1]),
        (0, "both", PICTURE[::-1, ::-1]),
        (90, "horizontal", np.rot90(PICTURE, -1)[:, ::-1]),
        (270, "vertical", np.rot90(PICTURE, 1)[::-1]),
    ],
)
def test_the_picture_is_turned_clockwise_then_mirrored(rotate, flip, expected):
    before = PICTURE.copy()
    result = orient(PICTURE, rotate, flip)
    assert np.array_equal(result, expected)
    assert result.flags.c_contiguous
    assert np.array_equal(PICTURE, before)
