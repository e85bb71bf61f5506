"""A run's figures: of its newest results, in memory that does not grow."""

import tracemalloc
from types import SimpleNamespace

import pytest

from mnv2_edge.pipeline import meter as summary
from mnv2_edge.pipeline.meter import Percentiles, RunMeter


def result(age_ms: float, infer_ms: float = 1.0) -> SimpleNamespace:
    return SimpleNamespace(age_ms=age_ms, latency=SimpleNamespace(infer_ms=infer_ms))


@pytest.fixture(autouse=True)
def _any_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "Result", SimpleNamespace)


def test_nothing_yet() -> None:
    assert RunMeter().summary().age == Percentiles(0.0, 0.0, 0.0)


def test_a_few() -> None:
    meter = RunMeter()
    for age_ms in (30.0, 10.0, 20.0):
        meter.publish(result(age_ms))
    assert meter.summary().age == Percentiles(20.0, 30.0, 30.0)
    assert meter.summary().results == 3


def test_the_newest_ten_thousand_count() -> None:
    meter = RunMeter()
    for number in range(25_000):
        meter.publish(result(float(number)))
    age = meter.summary().age
    assert (age.p50_ms, age.p99_ms) == (19_999.0, 24_899.0)
    assert meter.summary().results == 25_000


def test_a_run_takes_no_more_memory_after_its_first_results() -> None:
    meter = RunMeter()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(9_000):
            meter.publish(result(number / 7, number / 9))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000
