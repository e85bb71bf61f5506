from collections import Counter
from itertools import combinations

import cv2
import numpy as np
import pytest

from mnv2_edge.demo import FRAMES_PER_SIGN, SIGN_NAMES, render_street, true_mask, true_signs


def test_a_frame_is_rgb_of_the_size_asked_for():
    pixels = render_street(3, 5, (400, 300))
    assert pixels.shape == (300, 400, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 5


def test_any_frame_can_be_rendered_on_its_own():
    in_order = [render_street(4, index) for index in range(25)]
    for index in (24, 0, 17):
        np.testing.assert_array_equal(render_street(4, index), in_order[index])


def test_one_to_four_signs_of_every_kind_are_shown():
    scenes = [true_signs(1, number * FRAMES_PER_SIGN) for number in range(200)]
    assert {len(signs) for signs in scenes} == {1, 2, 3, 4}
    counts = Counter(sign.class_id for signs in scenes for sign in signs)
    assert set(counts) == set(range(len(SIGN_NAMES)))
    assert max(counts.values()) < 2.5 * min(counts.values())


def test_signs_stay_while_their_frames_last_and_move_a_little():
    for first in range(0, 100, FRAMES_PER_SIGN):
        frames = [true_signs(2, first + step) for step in range(FRAMES_PER_SIGN)]
        assert len({tuple(sign.class_id for sign in signs) for signs in frames}) == 1
        moved = max(abs(a - b) for a, b in zip(frames[0][0].box, frames[-1][0].box, strict=True))
        assert 0 < moved < 0.2


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (300, 300)])
def test_signs_lie_in_the_picture_and_apart(size: tuple[int, int]):
    for index in range(0, 1000, 27):
        signs = true_signs(5, index, size)
        for sign in signs:
            left, top, right, bottom = sign.box
            assert 0 < left < right < 1
            assert 0 < top < bottom < 1
        mask = true_mask(5, index, size)
        for one, other in combinations(signs, 2):
            overlap = np.zeros(size[::-1], np.uint8)
            for sign in (one, other):
                drawn = np.zeros(size[::-1], np.uint8)
                cv2.fillConvexPoly(drawn, np.rint(sign.outline * size).astype(np.int32), 1)
                overlap += drawn
            assert overlap.max() == 1
        assert set(np.unique(mask)) == {0, *(1 + sign.class_id for sign in signs)}


def test_boxes_are_those_of_the_masks():
    for index in (3, 25, 131):
        mask = true_mask(1, index, (320, 240))
        for sign in true_signs(1, index):
            rows, columns = np.nonzero(mask == 1 + sign.class_id)
            if sum(other.class_id == sign.class_id for other in true_signs(1, index)) > 1:
                continue
            left, top, right, bottom = sign.box
            assert columns.min() == pytest.approx(left * 320, abs=1.5)
            assert columns.max() + 1 == pytest.approx(right * 320, abs=1.5)
            assert rows.min() == pytest.approx(top * 240, abs=1.5)
            assert rows.max() + 1 == pytest.approx(bottom * 240, abs=1.5)


def test_stop_signs_are_red_within_their_outline():
    """The picture and the truth are computed apart: here they are held against each other."""
    seen = 0
    for number in range(60):
        index = number * FRAMES_PER_SIGN + 4
        pixels, mask = render_street(9, index).astype(int), true_mask(9, index)
        inside = pixels[mask == 1 + SIGN_NAMES.index("stop")]
        if len(inside):
            red, green, blue = inside.mean(axis=0)
            assert red > 1.15 * max(green, blue)
            seen += 1
    assert seen > 5


def test_a_scene_is_the_same_at_every_size_of_one_shape():
    for index in (0, 57):
        small, large = true_signs(6, index, (320, 240)), true_signs(6, index, (640, 480))
        assert [sign.class_id for sign in small] == [sign.class_id for sign in large]
        np.testing.assert_allclose([sign.box for sign in small], [sign.box for sign in large])
