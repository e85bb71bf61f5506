import time

import pytest

from mnv2_edge.host.clock import monotonic_stamp

NOW = 1_000_000_000_000


def test_a_recent_stamp_of_the_monotonic_clock_is_taken() -> None:
    assert monotonic_stamp(NOW - 12_000_000, NOW) == NOW - 12_000_000


def test_a_stamp_of_the_boot_clock_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    suspended = 3_600_000_000_000
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _clock: NOW + suspended)
    monkeypatch.setattr(time, "monotonic_ns", lambda: NOW)
    assert monotonic_stamp(NOW + suspended - 12_000_000, NOW) == NOW - 12_000_000


@pytest.mark.parametrize("stamp", [0, NOW + 1_000_000, NOW - 6_000_000_000, 1_700_000_000_000_000_000])
def test_nonsense_is_replaced_by_the_time_of_arrival(stamp: int) -> None:
    assert monotonic_stamp(stamp, NOW) == NOW
