import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnv2_edge.pipeline.board_limits import LimitState
from mnv2_edge.pipeline.throttle import Slowdown

HOT, WARM, COOL = "hot", "warm", "cool"
STRAINS = st.lists(st.tuples(st.sampled_from(["heat", "memory"]), st.sampled_from([HOT, WARM, COOL])), max_size=2)


def strain(cause, level):
    return LimitState(cause, level == HOT, level == COOL, f"{cause} is {level}", {f"{cause}_figure": 1.0})


class Board:
    """Feel what a test says, look by look."""

    def __init__(self):
        self.felt = ()
        self.slowdown = Slowdown(lambda: self.felt)

    def look(self, *strains, times=1):
        self.felt = tuple(strain(cause, level) for cause, level in strains)
        return [self.slowdown.look() for _ in range(times)]

    def shares(self, *levels):
        found = []
        for level in levels:
            self.look(("heat", level))
            found.append(self.slowdown.share)
        return found


def test_it_goes_down_by_halves_and_never_below_an_eighth():
    board = Board()
    assert board.shares(*[HOT] * 10) == [1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125, 0.125]


def test_it_comes_back_slowly():
    board = Board()
    board.shares(*[HOT] * 4)
    assert board.shares(*[COOL] * 13) == [0.25] * 5 + [0.5] * 6 + [1.0] * 2


def test_a_step_up_that_is_soon_taken_back_doubles_the_wait_for_the_next_up_to_half_an_hour():
    board = Board()
    board.shares(HOT, HOT)
    waits = []
    for _ in range(8):
        waits.append(1)
        while board.look(("heat", COOL)) != [True]:
            waits[-1] += 1
        board.shares(HOT, HOT)
    assert waits == [6, 12, 24, 48, 96, 180, 180, 180]


def test_a_step_up_that_lasts_makes_the_wait_as_short_as_at_first():
    board = Board()
    board.shares(HOT, HOT, *[COOL] * 6, HOT, HOT)
    board.shares(*[COOL] * 12)
    assert board.slowdown.share == 1.0
    board.shares(*[COOL] * 60, HOT, HOT)
    assert board.shares(*[COOL] * 6)[-1] == 1.0


def test_between_the_limits_it_stays():
    board = Board()
    board.shares(HOT, HOT)
    assert set(board.shares(*[WARM] * 100)) == {0.5}


@pytest.mark.parametrize("flapping", [[HOT, COOL], [HOT, WARM], [COOL, WARM], [HOT, COOL, COOL, COOL]])
def test_what_flaps_changes_nothing(flapping):
    board = Board()
    assert set(board.shares(*flapping * 30)) == {1.0}
    board.shares(HOT, HOT)
    assert set(board.shares(*flapping * 30)) == {0.5}


def test_one_look_that_is_wrong_changes_nothing():
    board = Board()
    assert set(board.shares(*[COOL] * 5, HOT, *[COOL] * 5)) == {1.0}


def test_a_sensor_that_vanishes_is_no_reason_to_stay_slow():
    board = Board()
    board.shares(*[HOT] * 6)
    board.look(times=18)
    assert board.slowdown.share == 1.0
    assert "does not say any more" in board.slowdown.details["reason"]


def test_two_causes_are_one_slowdown_that_lasts_until_both_are_over():
    board = Board()
    board.look(("heat", HOT), ("memory", COOL), times=2)
    assert board.slowdown.remark == "slowed down to 1/2: heat is hot"
    board.look(("heat", COOL), ("memory", HOT), times=2)
    assert board.slowdown.remark == "slowed down to 1/4: heat is cool; memory is hot"
    assert board.slowdown.details["causes"] == "heat, memory"
    board.look(("heat", COOL), ("memory", WARM), times=50)
    assert board.slowdown.share == 0.25
    board.look(("heat", COOL), ("memory", COOL), times=12)
    assert (board.slowdown.share, board.slowdown.remark) == (1.0, "")


def test_what_was_never_too_much_holds_nothing_back():
    """A board that always has 50 MiB left, which is neither too little nor plenty, was hot once."""
    board = Board()
    board.look(("heat", HOT), ("memory", WARM), times=2)
    board.look(("heat", COOL), ("memory", WARM), times=6)
    assert board.slowdown.share == 1.0


def test_while_anything_is_too_much_it_does_not_come_back():
    board = Board()
    board.look(("heat", HOT), ("memory", WARM), times=2)
    for _ in range(30):
        board.look(("heat", COOL), ("memory", WARM), times=5)
        board.look(("heat", COOL), ("memory", HOT))
    assert board.slowdown.share == 0.5


def test_a_later_slowdown_does_not_name_the_causes_of_an_earlier_one():
    board = Board()
    board.look(("heat", HOT), times=2)
    board.look(("heat", COOL), times=6)
    board.look(("memory", HOT), ("heat", COOL), times=2)
    assert board.slowdown.details == {"share": 0.5, "causes": "memory", "reason": "memory is hot", "memory_figure": 1.0}


def test_every_change_is_logged_once_and_the_first_as_a_warning(caplog):
    board = Board()
    with caplog.at_level(logging.INFO, "mnv2_edge.pipeline.throttle"):
        board.shares(*[HOT] * 2, *[WARM] * 50, *[COOL] * 50)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "slowed down to 1/2: heat is hot"),
        ("INFO", "back to the full rate: heat is cool"),
    ]


@given(st.lists(STRAINS, max_size=60))
def test_whatever_is_felt_it_never_stops_goes_one_step_at_a_time_and_always_comes_back(looks):
    board = Board()
    for felt in looks:
        before = board.slowdown.share
        (changed,) = board.look(*felt)
        after = board.slowdown.share
        assert 0.125 <= after <= 1
        assert after in (before, before / 2, before * 2)
        assert changed == (after != before)
        assert bool(board.slowdown.remark) == (after < 1)
    board.look(("heat", COOL), times=3 * 180)
    assert board.slowdown.share == 1
