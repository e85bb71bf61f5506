"""A short run of the chosen network on the chosen camera, which shows whether everything fits together."""

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from mnv2_edge.app import check_outcome, open_runtime
from mnv2_edge.config.model import CameraConfig, SaveConfig
from mnv2_edge.errors import SourceError
from mnv2_edge.pipeline.meter import RunMeter, Summary
from mnv2_edge.records import Record, Result
from mnv2_edge.setup.draft import ConfigDraft
from mnv2_edge.setup.machine import SetupHost

__all__ = ["TrialResult", "try_network"]

_SILENCE_S: Final = 20.0
"""How long the first result may take once everything is open."""
_MOST: Final = 100
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a network saw, and how fast."""

    summary: Summary
    engine: str
    """As records call it."""
    labels: Counter[str]
    """How often it said what."""
    on_film: bool
    """The cameras were not there, so it was shown the demo's film."""
    stuck: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Return what it saw, in words."""
        where = "the demo's film" if self.on_film else f"{self.summary.results} pictures"
        told = [f"{label or '(nothing)'} {count}x" for label, count in self.labels.most_common(_SHOWN)]
        others = len(self.labels) - len(told)
        yield f"in {where} it sees: {'; '.join(told)}{f'; and {others} more' if others > 0 else ''}"
        rate = f"{self.summary.frames_per_s:.1f} frames/s, " if self.summary.results > 1 else ""
        yield f"{rate}{self.summary.infer.p50_ms:.1f} ms each ({self.engine})"

    @property
    def doubts(self) -> tuple[str, ...]:
        """Return what is not as it should be."""
        return tuple(f"{name} did not end in time" for name in self.stuck)


def try_network(draft: ConfigDraft, host: SetupHost) -> TrialResult:
    """Run the draft's first camera that gives pictures, without its sinks, until enough was seen.

    Where none does, the demo's film stands in. Raises EdgeError and EnginesError as a run would.
    """
    first = next((place for place in range(len(draft.config.cameras)) if place not in draft.untried), None)
    camera = CameraConfig(uri="demo") if first is None else draft.config.cameras[first]
    config = msgspec.structs.replace(
        draft.config, cameras=(camera,), sinks=({"stdout": {"format": "none"}},), save=SaveConfig()
    )
    watcher, stop = _Watcher(host.watch_s), threading.Event()
    environment = host.environment
    if first is not None and (secret := draft.camera_secret(first, environment)):
        environment = dataclasses.replace(environment, camera_password=secret)
    with open_runtime(
        config, environment, observers=[watcher, watcher.meter], on_alive=lambda: watcher.end(stop)
    ) as run:
        watcher.begin()
        outcome = run.run(stop, max_frames=_MOST)
    check_outcome(outcome, stopped=stop.is_set())
    if not watcher.labels:
        raise SourceError(f"no picture came within {_SILENCE_S:g} s: `mnv2-edge cameras test` tells more of the camera")
    return TrialResult(watcher.meter.summary(), watcher.engine, watcher.labels, first is None, outcome.stuck)


class _Watcher:
    """Count of results, and whether there are enough. An observer of the pipeline, whose threads take turns."""

    def __init__(self, seconds: float) -> None:
        self.meter = RunMeter()
        self.labels: Counter[str] = Counter()
        self.engine = ""
        self._seconds = seconds
        self._until = 0.0

    def begin(self) -> None:
        """Wait for the first result from now on."""
        self._until = time.monotonic() + _SILENCE_S

    def publish(self, record: Record) -> None:
        """Count a result."""
        if isinstance(record, Result):
            if not self.labels:
                self._until = time.monotonic() + self._seconds
            self.labels[record.summary] += 1
            self.engine = record.engine

    def end(self, stop: threading.Event) -> None:
        """Set `stop` once enough was seen, or nothing for too long."""
        if time.monotonic() > self._until:
            stop.set()
