import numpy as np

from mnv2_edge.sources.lag import LagMeter

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
