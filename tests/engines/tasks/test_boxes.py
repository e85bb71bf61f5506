"""Boxes: decoded, overlapping, mapped, against figures worked out by hand and slow, plain code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnv2_engines.predictions import Box
from mnv2_engines.preprocessing.geometry import View, plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy
from mnv2_engines.tasks.boxes import BoxCoder, overlaps, picture_boxes, suppress

SCALES = (10.0, 10.0, 5.0, 5.0)
ANCHORS = np.array([[0.25, 0.5, 0.75, 0.7], [0.0, 0.0, 1.0, 1.0]], np.float32)  # height 0.5, width 0.2 about (0.5, 0.6)
ALL = np.arange(2)


def test_zeros_are_the_anchors():
    coder = BoxCoder(ANCHORS, "yxhw", SCALES)
    assert coder.decode(np.zeros((2, 4), np.float32), ALL) == pytest.approx(ANCHORS)


def test_a_box_by_hand():
    # The centre moves by 0.1 of the height down and 0.5 of the width left; twice as high, half as wide.
    numbers = [1.0, -5.0, 5 * np.log(2), 5 * np.log(0.5)]
    coder = BoxCoder(ANCHORS, "yxhw", SCALES)
    decoded = coder.decode(np.array([numbers, [0] * 4], np.float32), np.array([0]))
    assert decoded == pytest.approx(np.array([[0.55 - 0.5, 0.5 - 0.05, 0.55 + 0.5, 0.5 + 0.05]]))


def test_the_other_order_is_the_same_box():
    numbers = np.array([[1.0, -5.0, 2.0, -1.0], [3.0, 4.0, -2.0, 0.5]], np.float32)
    swapped = numbers[:, [1, 0, 3, 2]]
    expected = BoxCoder(ANCHORS, "yxhw", SCALES).decode(numbers, ALL)
    assert BoxCoder(ANCHORS, "xywh", SCALES).decode(swapped, ALL) == pytest.approx(expected)


def test_wild_numbers_stay_numbers():
    for wild in (np.full((2, 4), 3e38, np.float32), np.full((2, 4), -3e38, np.float32)):
        for scales in (SCALES, (0.1, 0.1, 0.2, 0.2)):  # variances, taken for their reciprocals
            boxes = BoxCoder(ANCHORS, "yxhw", scales).decode(wild, ALL)
            assert np.isfinite(boxes).all()
            assert np.isfinite(overlaps(boxes[0], boxes)).all()


def test_overlaps_by_hand():
    box = np.array([0, 0, 2, 2], np.float32)
    others = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [2, 2, 4, 4], [0, 0, 2, 1], [1, 1, 1, 1]], np.float32)
    assert overlaps(box, others) == pytest.approx([1.0, 1 / 7, 0.0, 0.5, 0.0])


@st.composite
def corner_boxes(draw):
    top, bottom = sorted((draw(st.integers(0, 20)), draw(st.integers(0, 20))))
    left, right = sorted((draw(st.integers(0, 20)), draw(st.integers(0, 20))))
    return top, left, bottom + 1, right + 1


candidates = st.lists(st.tuples(corner_boxes(), st.integers(0, 5), st.integers(0, 2)), max_size=25)


@settings(deadline=None)
@given(candidates, st.sampled_from([0.3, 0.5, 0.6]), st.integers(1, 30))
def test_suppression_is_the_greedy_one(found, iou, at_most):
    boxes = np.array([box for box, _, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score / 5 for _, score, _ in found], np.float32)
    classes = np.array([class_id for _, _, class_id in found], np.intp)
    kept: list[int] = []
    for index in sorted(range(len(found)), key=lambda index: (-scores[index], index)):
        rivals = [other for other in kept if classes[other] == classes[index]]
        if all(overlaps(boxes[index], boxes[[other]])[0] <= iou for other in rivals):
            kept.append(index)
    assert suppress(boxes, scores, classes, iou, at_most).tolist() == kept[:at_most]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        # A frame of 1280x720 and a network of 300x300; the box covers rows 75 to 150 and columns 60 to 240 of it.
        ("stretch", Box(256.0, 180.0, 768.0, 180.0)),
        # The centred square is 720 wide and begins at 280: 2.4 pixels for one.
        ("center-crop", Box(424.0, 180.0, 432.0, 180.0)),
        # 0.875 of it is 630 wide, begins at (325, 45): 2.1 pixels for one.
        ("center-crop:0.875", Box(451.0, 202.5, 378.0, 157.5)),
        # 300 columns for 1280, so 169 rows for 720, of which the first is row 66 (65.5 rounded to even): rows 9 to 84.
        ("letterbox", Box(256.0, round(9 * 720 / 169, 2), 768.0, round(75 * 720 / 169, 2))),
    ],
)
def test_a_box_in_the_frame_by_hand(policy, expected):
    view = plan_view(720, 1280, 300, 300, ResizePolicy.parse(policy))
    (found,) = picture_boxes(np.array([[0.25, 0.2, 0.5, 0.8]]), (300, 300), view)
    in_pixels, in_fractions = found
    for side in ("left", "top", "width", "height"):
        assert getattr(in_pixels, side) == pytest.approx(getattr(expected, side), abs=0.011)
    assert in_fractions.left == pytest.approx(in_pixels.left / 1280, abs=1e-6)
    assert in_fractions.height == pytest.approx(in_pixels.height / 720, abs=1e-6)


def test_a_region_is_a_part_of_the_whole_picture():
    # The lower right quarter of 1280x720, 640x360, letterboxed into 300x300: 169 rows from row 66 on.
    view = plan_view(360, 640, 300, 300, ResizePolicy("letterbox")).in_picture(640, 360, 1280, 720)
    ((in_pixels, in_fractions),) = picture_boxes(np.array([[66 / 300, 0, 235 / 300, 0.5]]), (300, 300), view)
    assert in_pixels == Box(640.0, 360.0, 320.0, 360.0)
    assert in_fractions == Box(0.5, 0.5, 0.25, 0.5)


def test_what_was_not_seen_is_not_claimed():
    view = plan_view(720, 1280, 300, 300, ResizePolicy("center-crop"))
    whole, outside = picture_boxes(np.array([[-1, -1, 2, 2], [0.2, 1.1, 0.4, 1.5]]), (300, 300), view)
    assert whole[0] == Box(280.0, 0.0, 720.0, 720.0)
    assert outside is None
    letterbox = plan_view(720, 1280, 300, 300, ResizePolicy("letterbox"))
    assert picture_boxes(np.array([[0.1, 0.3, 0.2, 0.4]]), (300, 300), letterbox) == [None]  # on its upper bar


@settings(deadline=None)
@given(
    st.tuples(*[st.integers(1, 3000)] * 2),
    st.tuples(*[st.integers(1, 600)] * 2),
    st.sampled_from(["stretch", "center-crop", "center-crop:0.5", "letterbox"]),
    st.tuples(*[st.floats(-0.5, 1.5)] * 4),
)
def test_boxes_lie_in_the_view_where_to_source_puts_their_corners(frame, net, policy, corner):
    view: View = plan_view(*frame, *net, ResizePolicy.parse(policy))
    top, left, bottom, right = corner[0], corner[1], max(corner[0], corner[2]), max(corner[1], corner[3])
    (found,) = picture_boxes(np.array([[top, left, bottom, right]]), net, view)
    first = view.to_source(left * net[1], top * net[0])
    last = view.to_source(right * net[1], bottom * net[0])
    x = [min(max(edge, view.left), view.left + view.width) for edge in (first[0], last[0])]
    y = [min(max(edge, view.top), view.top + view.height) for edge in (first[1], last[1])]
    if found is None:
        assert x[1] - x[0] < 0.011 or y[1] - y[0] < 0.011
        return
    in_pixels, in_fractions = found
    assert [in_pixels.left, in_pixels.right] == pytest.approx(x, abs=0.011)
    assert [in_pixels.top, in_pixels.bottom] == pytest.approx(y, abs=0.011)
    assert min(in_pixels.width, in_pixels.height) > 0
    assert in_fractions.right == pytest.approx(in_pixels.right / view.source_width, abs=2e-6)
    assert in_fractions.bottom == pytest.approx(in_pixels.bottom / view.source_height, abs=2e-6)
