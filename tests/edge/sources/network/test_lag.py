import numpy as np
import pytest

from mnv2_edge.sources.network.pyav import LagMeter

MS = 1_000_000
SECOND = 1000 * MS


def test_what_is_on_time_is_not_late_whatever_the_clocks_say() -> None:
    meter = LagMeter()
    assert all(meter.late_ns(frame * 33 * MS, 7 * SECOND + frame * 33 * MS) == 0 for frame in range(300))


def test_jitter_counts_from_the_quickest_and_a_queue_shows() -> None:
    rng = np.random.default_rng(0)
    meter = LagMeter()
    late = [meter.late_ns(frame * 33 * MS, frame * 33 * MS + int(rng.integers(0, 40)) * MS) for frame in range(300)]
    assert 0 <= min(late) <= max(late) <= 40 * MS
    queued = [meter.late_ns((300 + n) * 33 * MS, (300 + n) * 33 * MS + n * 20 * MS) for n in range(100)]
    assert queued[-1] > 1.9 * SECOND


def test_a_camera_whose_clock_drifts_is_not_taken_for_late() -> None:
    meter = LagMeter()
    drift = 1 + 200e-6  # ten times what quartz does; in a day it would be 17 s
    late = [meter.late_ns(second * SECOND, int(second * SECOND * drift)) for second in range(86_400)]
    assert max(late) < 20 * MS


def test_stamps_that_begin_anew_are_no_lag() -> None:
    meter = LagMeter()
    for frame in range(100):
        meter.late_ns(frame * 33 * MS, SECOND + frame * 33 * MS)
    assert meter.late_ns(3600 * SECOND, 5 * SECOND) == 0
    assert meter.late_ns(0, 6 * SECOND) == 0
    assert meter.late_ns(33 * MS, 6 * SECOND + 43 * MS) == 10 * MS


@pytest.mark.parametrize("jump_s", [-29, -10, -1, 1, 10, 29])
def test_a_sender_whose_clock_is_set_is_not_taken_for_late(jump_s: int) -> None:
    """By less than any lag may be: else everything would be thrown away until the window has passed."""
    meter = LagMeter()
    late = [meter.late_ns((n * 33 + (jump_s * 1000 if n >= 100 else 0)) * MS, (n + 900) * 33 * MS) for n in range(200)]
    assert max(late) == 0


def test_a_single_stamp_out_of_place_does_no_harm() -> None:
    meter = LagMeter()
    for frame in range(100):
        meter.late_ns(frame * 33 * MS, frame * 33 * MS)
    assert meter.late_ns(13 * SECOND, 100 * 33 * MS) == 0
    assert meter.late_ns(101 * 33 * MS, 101 * 33 * MS) == 0


def test_pictures_out_of_order_are_no_jump() -> None:
    meter = LagMeter()
    late = [meter.late_ns((frame + (4 if frame % 4 == 0 else 0)) * 33 * MS, frame * 33 * MS) for frame in range(100)]
    assert max(late[1:]) == 4 * 33 * MS  # a B-frame is behind the one that it came after, and no more
    queued = meter.late_ns(100 * 33 * MS, 100 * 33 * MS + 2 * SECOND)
    assert queued > 2 * SECOND
