"""Checks that your own source or sink keeps the contract of its interface; call them from your tests."""

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import numpy as np

from mnv2_edge.errors import EdgeError, SourceError
from mnv2_edge.frames import Frame
from mnv2_edge.host.clock import Timestamp
from mnv2_edge.records import CameraState, Event, Latency, Record, Result
from mnv2_edge.sinks import BACKLOG, Sink
from mnv2_edge.sources import FrameSource
from mnv2_engines.predictions import Prediction

__all__ = ["ContractBrokenError", "check_sink", "check_source", "sample_records"]

_PUBLISH_LIMIT_S = 0.5
_CLOSE_LIMIT_S = 1.0
_RECORDS = 1000
_READ_LIMIT_S = 10.0


class ContractBrokenError(EdgeError, AssertionError):
    """A promise of an interface that is not kept."""


def check_source(open_source: Callable[[], FrameSource], *, frames: int = 3) -> None:
    """Check the first `frames` frames of a source, that closing it ends it, and that closing it twice does no harm.

    It is opened twice; the second time it is closed under a read of another thread. The source has to give that many
    frames. Raises ContractBrokenError.
    """
    with closing(open_source()) as source:
        _require(isinstance(source.live, bool), "live must be True or False")
        _require(isinstance(source.endless, bool), "endless must be True or False")
        _require(
            source.live or not source.endless, "a source that is endless must be live: nothing may queue without end"
        )
        _require(source.skipped >= 0, "skipped must be a count")
        taken = list(itertools.islice(source, frames))
        _require(len(taken) == frames, f"the source gave {len(taken)} frames, {frames} were asked for")
        copies = [frame.pixels.copy() for frame in taken]
        for frame in taken:
            _check_frame(frame)
        for one, other in itertools.pairwise(taken):
            _require(other.index > one.index, f"frame {other.index} came after frame {one.index}: indices must grow")
            _require(other.captured_ns >= one.captured_ns, "captured_ns must not run backwards")
            _require(
                not np.shares_memory(one.pixels, other.pixels), "two frames share memory: a frame is its receiver's"
            )
        for frame, copy in zip(taken, copies, strict=True):
            _require(np.array_equal(frame.pixels, copy), "a frame changed after it was given")
        source.close()
        source.close()
        began = time.monotonic()
        for _ in itertools.islice(source, 2 * frames):
            pass
        _require(time.monotonic() - began < _CLOSE_LIMIT_S, "iterating a closed source must end at once")
    with closing(open_source()) as source:
        _check_close_under_a_read(source)


def _check_close_under_a_read(source: FrameSource) -> None:
    """Close a source from here while another thread reads it, as the supervisor of a stalled camera does."""
    reading = threading.Event()

    def read() -> None:
        with suppress(SourceError):  # a source that is closed may break
            for _ in source:
                reading.set()

    thread = threading.Thread(target=read, name="check-source", daemon=True)
    thread.start()
    reading.wait(_READ_LIMIT_S)
    began = time.monotonic()
    source.close()
    took = time.monotonic() - began
    _require(took < _CLOSE_LIMIT_S, f"close took {took:.2f} s while another thread read: it must return at once")
    thread.join(_READ_LIMIT_S)
    _require(not thread.is_alive(), f"a read went on for {_READ_LIMIT_S:g} s after close")


def check_sink(open_sink: Callable[[], Sink]) -> None:
    """Check that a sink takes every kind of record at once, says how it is, and closes in time, twice.

    Nothing need be at the other end: no broker, no reader. Raises ContractBrokenError.
    """
    with closing(open_sink()) as sink:
        _check_health(sink)
        records = sample_records()
        began = time.monotonic()
        for record in itertools.islice(itertools.cycle(records), _RECORDS):
            sink.publish(record)
        took = time.monotonic() - began
        _require(took < _PUBLISH_LIMIT_S, f"{_RECORDS} records took {took:.2f} s to publish: publish must only queue")
        began = time.monotonic()
        answer = sink.wait_backlog(BACKLOG, 0.05)
        took = time.monotonic() - began
        _require(isinstance(answer, bool), "wait_backlog must return True or False")
        _require(took < _PUBLISH_LIMIT_S, f"wait_backlog took {took:.2f} s, its time was up after 0.05 s")
        _check_health(sink)
        for _ in range(2):
            began = time.monotonic()
            sink.close()
            took = time.monotonic() - began
            _require(took < _CLOSE_LIMIT_S, f"close took {took:.2f} s: Ctrl-C has to end a run within a second")
        sink.publish(records[0])
        _check_health(sink)


def sample_records() -> tuple[Record, ...]:
    """Return one valid record of every kind, for tests of sinks."""
    at = Timestamp("2024-05-01T12:00:00.000Z", 1_000_000_000, "6f2d1a0e-0000-4000-8000-000000000000", clock_synced=True)
    latency = Latency(prepare_ms=0.3, wait_ms=0.1, infer_ms=12.5, decode_ms=0.05)
    return (
        CameraState("device", "camera0", "streaming", "", at, frames=0, dropped=0, skipped=0),
        Result(
            device="device",
            camera="camera0",
            frame=7,
            captured=at,
            age_ms=13.1,
            dropped=0,
            skipped=0,
            latency=latency,
            engine="demo@0123456789ab",
            task="classify",
            predictions=(Prediction(3, "stop", 0.97), Prediction(1, "yield", 0.02)),
            width=640,
            height=480,
            summary="stop",
        ),
        Event("device", "camera0", "outage", at, {"seconds": 3.5, "reason": "unplugged"}),
    )


def _check_frame(frame: Frame) -> None:
    shape = frame.pixels.shape
    _require(
        len(shape) == 3 and shape[2] == 3 and min(shape) > 0, f"pixels are {list(shape)}: expected [height, width, 3]"
    )
    _require(frame.pixels.dtype == np.uint8, f"pixels are {frame.pixels.dtype}: expected uint8")
    _require(frame.color in ("RGB", "BGR"), f"color is {frame.color!r}: expected RGB or BGR")
    _require(frame.index >= 0, f"index is {frame.index}: expected to count from 0")
    _require(0 < frame.captured_ns <= time.monotonic_ns(), "captured_ns must be time.monotonic_ns() of the past")
    _require(bool(frame.source_id), "source_id must be the camera_id that the source was opened with")


def _check_health(sink: Sink) -> None:
    _require(isinstance(sink.broken, str), "broken must be text: why nothing will arrive, or empty")
    _require(isinstance(sink.failed, bool), "failed must be True or False")
    _require(not sink.failed or bool(sink.broken), "a sink that failed must say in broken why")
    _require(isinstance(sink.dropped, int), "dropped must be a number")
    _require(sink.dropped >= 0, "dropped must not be negative")


def _require(kept: bool, promise: str) -> None:  # noqa: FBT001 - reads as the sentence it is
    if not kept:
        raise ContractBrokenError(promise)
