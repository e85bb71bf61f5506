"""The rate of a camera for what has none."""

import time

import pytest

from mnv2_edge.sources.files.pacer import Pacer


def test_moments_are_a_period_apart_and_are_not_returned_early():
    pacer = Pacer(100)
    moments = []
    for _ in range(5):
        moments.append(pacer.wait())
        assert moments[-1] <= time.monotonic_ns()
    assert moments[-1] - moments[0] == pytest.approx(40_000_000, abs=25_000_000)


def test_a_reader_that_is_a_little_late_catches_up(monkeypatch):
    now = 1_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    pacer = Pacer(10)
    assert pacer.wait() == 1_000_000_000
    now = 1_150_000_000
    assert pacer.wait() == 1_100_000_000
    now = 1_200_000_000
    assert pacer.wait() == 1_200_000_000


def test_a_reader_that_is_very_late_starts_a_new_count(monkeypatch):
    now = 0
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    pacer = Pacer(10)
    pacer.wait()
    now = 5_000_000_000
    assert pacer.wait() == 5_000_000_000
    now = 5_100_000_000
    assert pacer.wait() == 5_100_000_000


def test_stopping_ends_every_wait():
    pacer = Pacer(0.001)
    assert pacer.wait() is not None
    pacer.stop()
    assert pacer.wait() is None
