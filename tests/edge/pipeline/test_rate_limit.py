"""Whole afternoons of heat in simulated time."""

import pytest

from support.warm_board import SimulatedCamera, WarmBoard

ONE_LOOK_S = 10


def test_a_closed_case_in_the_sun_stays_below_the_firmwares_hard_limit_and_comes_back_in_the_evening():
    camera = SimulatedCamera(30)
    board = WarmBoard(camera, infer_s=0.1, ambient_c=30)
    assert board.run(100) == [pytest.approx(10, abs=0.5)]  # what the engine manages

    board.ambient_c = 48  # at full work that is 106 °C
    (rate,) = board.run(3600)
    assert board.hottest < 82
    assert rate > 1
    assert min(share for _, share in board.shares) < 1

    board.ambient_c = 20
    board.run(600)
    assert board.share == 1
    assert board.run(100) == [pytest.approx(10, abs=0.5)]
    assert camera.gate.limit == 0


def test_without_a_brake_that_case_would_be_hotter():
    """The simulation is worth something only if the same board overheats when nobody looks."""
    board = WarmBoard(SimulatedCamera(30), infer_s=0.1, ambient_c=48)
    board.sense = tuple
    board.run(1800)
    assert board.hottest > 95


def test_steps_are_one_a_period_and_the_way_back_takes_longer():
    board = WarmBoard(SimulatedCamera(30), infer_s=0.1, ambient_c=48)
    board.run(3600)
    board.ambient_c = 20
    board.run(1200)
    for (then, before), (now, after) in zip(board.shares, board.shares[1:], strict=False):
        assert after in (before * 2, before / 2)
        assert now - then >= (2 if after < before else 6) * ONE_LOOK_S - 0.1


@pytest.mark.parametrize(
    ("rate", "infer_s", "max_rate", "full"),
    [(30, 0.2, 0, 5.0), (30, 0.01, 0, 30.0), (30, 0.01, 10, 10.0), (1, 0.01, 0, 1.0), (30, 0.2, 2, 2.0)],
)
def test_a_share_is_one_of_what_was_looked_at_before(rate, infer_s, max_rate, full):
    """Be the engine the narrow place, or the camera, or its max_rate."""
    board = WarmBoard(SimulatedCamera(rate, max_rate=max_rate), infer_s=infer_s, ambient_c=30)
    assert board.run(41) == [pytest.approx(full, rel=0.1)]
    board.limit_c = -100
    for share in (1 / 2, 1 / 4, 1 / 8):
        board.run(2 * ONE_LOOK_S)
        assert board.share == share
    assert board.run(80) == [pytest.approx(full / 8, rel=0.15)]
    board.limit_c = 200
    board.run(3 * 6 * ONE_LOOK_S + 1)
    assert board.run(40) == [pytest.approx(full, rel=0.1)]


def test_two_cameras_on_one_engine_both_give_way():
    board = WarmBoard(SimulatedCamera(30), SimulatedCamera(15), infer_s=0.1, ambient_c=30)
    assert board.run(40) == [pytest.approx(5, rel=0.1)] * 2
    board.limit_c = -100
    board.run(60)
    assert board.run(80) == [pytest.approx(5 / 8, rel=0.2)] * 2


@pytest.mark.parametrize(
    ("cameras", "full"),
    [
        ([(30, 0), (1, 0)], [9, 1]),
        ([(30, 2), (30, 0), (3, 0)], [2, 5, 3]),
        ([(4, 0), (3, 0)], [4, 3]),
        ([(30, 0), (30, 0), (0, 0)], [5, 5, 0]),
    ],
)
def test_each_camera_gets_a_share_of_what_it_had_beside_the_others(cameras, full):
    """What one leaves of its turn is the others', with and without a brake."""
    board = WarmBoard(*(SimulatedCamera(rate, max_rate=most) for rate, most in cameras), infer_s=0.1, ambient_c=30)
    assert board.run(40) == pytest.approx(full, rel=0.1)
    board.limit_c = -100
    board.run(60)
    assert board.run(80) == pytest.approx([rate / 8 for rate in full], rel=0.2)


def test_a_camera_before_which_nothing_moves_takes_nothing_from_the_others():
    still, busy = SimulatedCamera(30), SimulatedCamera(30)
    still.moves = False
    board = WarmBoard(still, busy, infer_s=0.1, ambient_c=30)
    assert board.run(40) == pytest.approx([0, 10], rel=0.1)
    board.limit_c = -100
    board.run(60)
    assert board.run(80) == pytest.approx([0, 10 / 8], rel=0.15)
    still.moves = True
    board.run(ONE_LOOK_S)
    assert board.run(80) == pytest.approx([5 / 8, 5 / 8], rel=0.2)


@pytest.mark.parametrize("count", [1, 2])
def test_an_engine_that_is_so_slow_that_a_look_may_see_no_result_is_held_back_too(count):
    """A large network on a small board: an eighth is less than one picture from look to look."""
    board = WarmBoard(*(SimulatedCamera(30) for _ in range(count)), infer_s=2, ambient_c=30)
    assert board.run(60) == pytest.approx([0.5 / count] * count, rel=0.1)
    board.limit_c = -100
    board.run(60)
    assert board.run(640) == pytest.approx([0.5 / 8 / count] * count, rel=0.2)


def test_a_camera_before_which_something_moves_again_does_not_fill_the_engine_until_the_next_look():
    camera = SimulatedCamera(30)
    board = WarmBoard(camera, infer_s=0.1, ambient_c=30, limit_c=-100)
    board.run(100)
    camera.moves = False
    board.run(5 * ONE_LOOK_S)
    camera.moves = True
    assert board.run(ONE_LOOK_S / 2) == pytest.approx([10 / 8], rel=0.3)


def test_a_file_loses_nothing():
    board = WarmBoard(SimulatedCamera(5, live=False), SimulatedCamera(5), infer_s=0.01, ambient_c=30, limit_c=-100)
    board.run(100)
    assert board.run(80) == [pytest.approx(5, rel=0.1), pytest.approx(5 / 8, rel=0.2)]


def test_beside_a_file_a_camera_gets_a_share_of_what_the_file_leaves_it():
    board = WarmBoard(SimulatedCamera(5, live=False), SimulatedCamera(30), infer_s=0.1, ambient_c=30)
    assert board.run(40) == pytest.approx([5, 5], rel=0.1)
    board.limit_c = -100
    board.run(60)
    assert board.run(80) == pytest.approx([5, 5 / 8], rel=0.2)


def test_a_camera_that_was_away_when_it_got_cool_is_not_held_back():
    camera = SimulatedCamera(10)
    board = WarmBoard(camera, infer_s=0.01, ambient_c=30, limit_c=-100)
    board.run(100)
    camera.rate, board.limit_c = 0, 200
    board.run(300)
    camera.rate = 10
    assert board.run(40) == [pytest.approx(10, rel=0.1)]


def test_a_camera_that_comes_when_it_is_hot_is_held_back_from_the_next_look_on():
    camera = SimulatedCamera(0)
    board = WarmBoard(camera, infer_s=0.01, ambient_c=30, limit_c=-100)
    board.run(100)
    camera.rate = 10
    board.run(2 * ONE_LOOK_S)
    assert board.run(80) == [pytest.approx(10 / 8, rel=0.2)]


def test_an_engine_that_gets_slower_meanwhile_is_taken_as_it_is():
    board = WarmBoard(SimulatedCamera(30), infer_s=0.01, ambient_c=30, limit_c=-100)
    board.run(100)
    board._infer_s = 0.5  # the firmware halved its clock again and again
    board.run(ONE_LOOK_S)
    board.limit_c = 200
    board.run(6 * ONE_LOOK_S)
    assert board.share == 1 / 4
    assert board.run(40) == [pytest.approx(2 / 4, rel=0.25)]
