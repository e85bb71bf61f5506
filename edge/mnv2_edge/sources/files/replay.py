"""A film played as by a camera that breaks: for tests and rehearsals."""

import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from mnv2_edge.errors import SourceError, SourceNotFoundError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.demo import DemoSource, Film
from mnv2_edge.sources.files.files import open_file
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_edge.sources.uri import read_fps, read_limits, refuse_unknown
from mnv2_engines.tensors import UInt8Array

__all__ = ["Fault", "FaultKind", "ReplaySource", "open_replay", "parse_faults"]

FaultKind: TypeAlias = Literal["stall", "hang", "drop", "black", "frozen", "size", "end", "error", "absent"]
_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
_LASTING: Final = frozenset({"stall", "drop", "black", "frozen", "absent"})
"""Faults that mean nothing without a duration."""
_FAULT: Final = re.compile(r"([a-z]+)@(\d+(?:\.\d+)?)(?:[+ ](\d+(?:\.\d+)?))?")  # in a URI's query + is a space


@dataclass(frozen=True, slots=True)
class Fault:
    """One simulated fault."""

    kind: FaultKind
    at_s: float
    """Seconds since the replay began."""
    for_s: float = math.inf

    def holds(self, now_s: float) -> bool:
        """Return True while it lasts."""
        return self.at_s <= now_s < self.at_s + self.for_s

    def begins(self, before_s: float, now_s: float) -> bool:
        """Return True when it began after `before_s` and not after `now_s`."""
        return before_s < self.at_s <= now_s


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read ``KIND@SECONDS[+DURATION],...``, as in ``stall@10+8,black@30+5,hang@60,end@90``.

    Raises UsageError for anything else.
    """
    return tuple(_parse(piece) for piece in text.split(",")) if text else ()


def _parse(piece: str) -> Fault:
    match = _FAULT.fullmatch(piece.strip())
    kind = next((one for one in _KINDS if match is not None and one == match[1]), None)
    if match is None or kind is None:
        raise UsageError(
            f"{piece!r} is not a fault: expected KIND@SECONDS[+DURATION] with {', '.join(_KINDS)}, as in stall@10+8"
        )
    if match[3] is None and kind in _LASTING:
        raise UsageError(f"{piece!r} has no duration: expected {kind}@SECONDS+DURATION, as in {kind}@10+8")
    return Fault(kind, float(match[2]), math.inf if match[3] is None else float(match[3]))


_FPS: Final = 30.0
_BEGAN_NS: Final = time.monotonic_ns()
"""When the first replay of this process was opened, for which this module is imported: a camera that is opened again
must not go through its faults again."""


def open_replay(options: SourceOptions) -> "ReplaySource":
    """Open ``replay:FILE?faults=SPEC&fps=30``; FILE is a video, a picture, a folder of pictures, or ``demo``.

    The film is played in a loop. Seconds in SPEC count from when the first replay of this process was opened. Raises
    UsageError for an option that makes no sense, SourceError for what is not a film, SourceNotFoundError while the
    camera is `absent`.
    """
    refuse_unknown("replay", options.query, ("faults", "fps", "max_megapixels"))
    if options.pace == "max":
        raise UsageError("--pace max has no meaning for a replay: it comes at the rate of a camera, ?fps=N sets it")
    faults = parse_faults(options.query.get("faults", ""))
    fps = read_fps("replay", options.query) or _FPS
    limits = read_limits(options)
    name = options.uri.partition(":")[2]

    def open_film() -> FrameSource:
        if name == "demo":
            return DemoSource(Film(), options.camera_id, None)
        return open_file(SourceOptions(name, options.camera_id, limits=limits))

    return ReplaySource(open_film, faults, fps, options.camera_id, _BEGAN_NS)


class ReplaySource:
    """Source of a film's frames in a loop at the rate of a camera, with faults; it owns the film.

    A `stall` gives no frame, a `hang` does not even return when it is closed, a `drop` passes frames over, `black`,
    `frozen` and `size` (half of it) change pictures, `end`, `error` and `absent` end the stream, and while it is
    `absent` it cannot be opened.
    """

    def __init__(
        self,
        open_film: Callable[[], FrameSource],
        faults: Sequence[Fault],
        fps: float,
        source_id: str,
        began_ns: int,
    ) -> None:
        self._faults = faults
        self._source_id = source_id
        self._began_ns = began_ns
        if self._holding("absent", self._now_s(time.monotonic_ns())):
            raise SourceNotFoundError("the replayed camera is absent, as its faults say")
        self._open_film = open_film
        self._film = open_film()
        self._pacer = Pacer(fps)
        self._closed = threading.Event()

    @property
    def live(self) -> bool:
        """Return True: it is a camera's part that is played."""
        return True

    @property
    def endless(self) -> bool:
        """Return True: only a fault ends it."""
        return True

    @property
    def skipped(self) -> int:
        """Return what the film says of the present round."""
        return self._film.skipped

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until a fault ends them, or `close`. Raises SourceError for the fault `error`."""
        before_s = self._now_s(time.monotonic_ns())
        last: UInt8Array | None = None
        for index, (pixels, film_frame) in enumerate(self._loop()):
            due_ns = self._pacer.wait()
            if due_ns is None or self._closed.is_set():
                return
            now_s = self._now_s(due_ns)
            if self._interrupt(before_s, now_s):
                return
            before_s = now_s
            if self._holding("drop", now_s):
                continue
            if last is None or not self._holding("frozen", now_s):
                last = pixels
            yield Frame(self._changed(last, now_s), film_frame.color, index, time.monotonic_ns(), self._source_id)

    def close(self) -> None:
        """End it, except during a `hang`."""
        self._closed.set()
        self._pacer.stop()
        self._film.close()

    def _loop(self) -> Iterator[tuple[UInt8Array, Frame]]:
        while not self._closed.is_set():
            empty = True
            for frame in self._film:
                empty = False
                yield frame.pixels, frame
            self._film.close()
            if self._closed.is_set():
                return
            if empty:  # it would be gone through again and again, as fast as a disk gives it
                raise SourceError("the replayed film holds no picture that can be read")
            self._film = self._open_film()
            if self._closed.is_set():  # meanwhile, so this one would stay open
                self._film.close()

    def _interrupt(self, before_s: float, now_s: float) -> bool:
        """Go through what delays or ends the stream; return True when it has ended."""
        for fault in self._faults:
            if fault.kind == "hang" and fault.begins(before_s, now_s):
                _sleep_until(self._began_ns + (fault.at_s + fault.for_s) * 1e9)
            elif fault.kind == "stall" and fault.holds(now_s):
                rest_s = fault.at_s + fault.for_s - self._now_s(time.monotonic_ns())
                if self._closed.wait(max(0.0, rest_s)):
                    return True
            elif fault.kind == "error" and fault.begins(before_s, now_s):
                raise SourceError("the replayed camera broke, as its faults say")
            elif fault.kind in ("end", "absent") and fault.begins(before_s, now_s):
                return True
        return self._closed.is_set()

    def _changed(self, pixels: UInt8Array, now_s: float) -> UInt8Array:
        if self._holding("size", now_s):
            pixels = np.ascontiguousarray(pixels[::2, ::2])
        return np.zeros_like(pixels) if self._holding("black", now_s) else pixels.copy()

    def _holding(self, kind: FaultKind, now_s: float) -> bool:
        return any(fault.kind == kind and fault.holds(now_s) for fault in self._faults)

    def _now_s(self, monotonic_ns: int) -> float:
        return (monotonic_ns - self._began_ns) / 1e9


def _sleep_until(monotonic_ns: float) -> None:
    """Sleep without being woken by anything, as a thread inside of a driver does."""
    while (left_s := (monotonic_ns - time.monotonic_ns()) / 1e9) > 0:
        time.sleep(min(left_s, 3600.0) if math.isfinite(left_s) else 3600.0)
