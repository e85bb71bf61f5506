"""The summary of a run: rate, latency, drops."""

import math
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mnv2_edge.records import Record, Result

__all__ = ["Percentiles", "RunMeter", "Summary"]

_KEPT: Final = 10_000  # results; 5 minutes at 30 frames/s, and bounded memory in a run of years


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a distribution in milliseconds, by the nearest-rank method."""

    p50_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Percentiles":
        """Compute them; all 0 when there are no values."""
        ordered = sorted(values) or [0.0]
        return cls(*(ordered[math.ceil(len(ordered) * share) - 1] for share in (0.50, 0.95, 0.99)))

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of a run."""

    results: int
    seconds: float
    """From the first result to the last."""
    frames_per_s: float
    age: Percentiles
    """Capture to publish, of the last 10,000 results; so is `infer`."""
    infer: Percentiles

    def __str__(self) -> str:
        return (
            f"{self.results} frames in {self.seconds:.1f} s, {self.frames_per_s:.1f} frames/s; "
            f"age at publish {self.age}; inference {self.infer}"
        )


class _Newest:
    """The newest values, in memory that is taken at once: a run that grows for minutes looks as if it leaked."""

    def __init__(self, size: int) -> None:
        self._values = array("d", bytes(8 * size))
        self._count = 0

    def append(self, value: float) -> None:
        """Take a value in, in the place of the oldest when there is no room."""
        self._values[self._count % len(self._values)] = value
        self._count += 1

    def __iter__(self) -> Iterator[float]:
        return iter(self._values[: min(self._count, len(self._values))])


class RunMeter:
    """Collector of the figures of a `Summary`; an observer of the pipeline."""

    def __init__(self) -> None:
        self._results = 0
        self._first_ns = 0
        self._last_ns = 0
        self._ages = _Newest(_KEPT)
        self._infers = _Newest(_KEPT)

    def publish(self, record: Record) -> None:
        """Count a result; ignore states and events."""
        if not isinstance(record, Result):
            return
        now = time.monotonic_ns()
        self._first_ns = self._first_ns or now
        self._last_ns = now
        self._results += 1
        self._ages.append(record.age_ms)
        self._infers.append(record.latency.infer_ms)

    def summary(self) -> Summary:
        """Sum up what was published so far."""
        seconds = (self._last_ns - self._first_ns) / 1e9
        rate = (self._results - 1) / seconds if seconds else 0.0
        return Summary(self._results, seconds, rate, Percentiles.of(self._ages), Percentiles.of(self._infers))
