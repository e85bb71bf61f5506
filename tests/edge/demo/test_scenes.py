import time
from collections import Counter

import cv2
import numpy as np
import pytest

from mnv2_edge.demo import DEFAULT_SIZE, FRAMES_PER_SIGN, SIGN_NAMES, render, true_class, true_label
from mnv2_edge.demo.imaging import MAX_ROLL_DEG, draw_pose
from mnv2_edge.demo.signs import sign_patches

ROUND = FRAMES_PER_SIGN * len(SIGN_NAMES)


def test_a_frame_is_rgb_of_the_size_asked_for():
    pixels = render(3, 5, (400, 300))
    assert pixels.shape == (300, 400, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.std() > 5


def test_any_frame_can_be_rendered_on_its_own():
    in_order = [render(4, index) for index in range(25)]
    for index in (24, 0, 17):
        np.testing.assert_array_equal(render(4, index), in_order[index])


@pytest.mark.parametrize("other", [(4, 8), (5, 7)])
def test_seed_and_index_both_choose_the_picture(other: tuple[int, int]):
    assert not np.array_equal(render(4, 7), render(*other))


def test_every_round_shows_every_sign_once_for_the_same_number_of_frames():
    for first in (0, 7 * ROUND):
        counts = Counter(true_class(11, index) for index in range(first, first + ROUND))
        assert counts == dict.fromkeys(range(len(SIGN_NAMES)), FRAMES_PER_SIGN)


def test_a_sign_stays_while_its_frames_last():
    for index in range(0, 200, FRAMES_PER_SIGN):
        assert len({true_class(2, index + step) for step in range(FRAMES_PER_SIGN)}) == 1


def test_rounds_and_seeds_are_shuffled_differently():
    def order(seed: int, round_number: int) -> list[int]:
        first = round_number * ROUND
        return [true_class(seed, index) for index in range(first, first + ROUND, FRAMES_PER_SIGN)]

    assert len({tuple(order(seed, number)) for seed in range(3) for number in range(3)}) == 9


def test_the_truth_never_changes_with_a_library():
    """The order was written down once: a film's labels are part of what was published."""
    assert [true_label(0, index) for index in range(0, 60, FRAMES_PER_SIGN)] == [
        "parking",
        "speed limit 30",
        "turn left",
        "no entry",
        "ahead only",
        "stop",
    ]


def test_consecutive_frames_move_a_little():
    first, second, last = (render(1, 40 + step).astype(int) for step in (0, 1, FRAMES_PER_SIGN - 1))
    assert 0 < np.abs(first - second).mean() < np.abs(first - last).mean()


def test_the_whole_sign_is_inside_the_centred_square():
    for number in range(400):
        outline = sign_patches(number % len(SIGN_NAMES))[0].outline
        pose = draw_pose(np.random.default_rng(number), outline)
        for progress in (0.0, 0.5, 1.0):
            assert np.abs(pose.project(outline, progress)).max() <= 0.5


def test_no_patch_sticks_out_of_its_sign():
    for class_id, name in enumerate(SIGN_NAMES):
        outline, *details = (patch.outline.astype(np.float32) for patch in sign_patches(class_id))
        for detail in details:
            depths = [cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in detail]
            assert min(depths) > 0.02, name


def test_patches_are_convex_as_the_filling_needs():
    for class_id, name in enumerate(SIGN_NAMES):
        for patch in sign_patches(class_id):
            assert cv2.isContourConvex(np.rint(patch.outline * 10_000).astype(np.int32)), name


def test_nothing_but_the_sign_itself_tells_its_class(monkeypatch: pytest.MonkeyPatch):
    """Exchange a round sign for another one, and only pixels of the centred square change."""
    blur_reach = 4
    for number in range(30):
        pictures = []
        for name in ("no entry", "turn left"):
            monkeypatch.setattr("mnv2_edge.demo.film.true_class", lambda *_, name=name: SIGN_NAMES.index(name))
            pictures.append(render(6, number * FRAMES_PER_SIGN).astype(int))
        changed = np.abs(np.subtract(*pictures)).max(axis=2) > 0
        assert 0.03 < changed.mean() < 0.5
        border = (DEFAULT_SIZE[0] - DEFAULT_SIZE[1]) // 2 - blur_reach
        assert not changed[:, :border].any()
        assert not changed[:, -border:].any()


def test_the_same_scene_at_two_sizes_is_the_same_picture():
    for number in range(20):
        small = render(8, number * FRAMES_PER_SIGN).astype(float)
        large = cv2.resize(render(8, number * FRAMES_PER_SIGN, (640, 480)), DEFAULT_SIZE, interpolation=cv2.INTER_AREA)
        blurred = (cv2.GaussianBlur(picture, (0, 0), 3) for picture in (small, large.astype(float)))
        assert np.abs(np.subtract(*blurred)).mean() < 3


def test_left_and_right_are_mirror_images_and_stay_apart_under_every_roll():
    left, right, ahead = (sign_patches(SIGN_NAMES.index(name)) for name in ("turn left", "turn right", "ahead only"))
    tips = [min(patches[-1].outline, key=lambda corner: -np.hypot(*corner)) for patches in (left, right, ahead)]
    np.testing.assert_allclose(tips[0] * (-1, 1), tips[1], atol=1e-9)
    directions = [np.degrees(np.arctan2(tip[1], tip[0])) for tip in tips]
    gaps = [abs((a - b + 180) % 360 - 180) for a, b in ((directions[0], directions[2]), (directions[1], directions[2]))]
    assert min(gaps) > 2 * MAX_ROLL_DEG + 30


def test_rendering_leaves_time_for_the_network():
    """A frame must cost far less than the 33 ms that a camera of 30 frames/s leaves; median, for busy machines."""
    render(0, 0)
    costs = []
    for number in range(40):
        begun = time.thread_time()
        render(12, number * FRAMES_PER_SIGN)
        costs.append(time.thread_time() - begun)
    assert np.median(costs) < 0.015
