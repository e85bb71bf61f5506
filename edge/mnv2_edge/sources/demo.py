"""The demo's film of road signs as a camera would show it: paced, endless, pixels only."""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mnv2_edge.demo import DEFAULT_SIZE, render, render_street
from mnv2_edge.errors import UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_edge.sources.uri import read_fps, read_size, refuse_unknown

__all__ = ["DemoSource", "Film", "open_demo"]

_CAMERA_FPS = 30.0
_SMALLEST_PX, _LARGEST_PX = 64, 4096
_LARGEST_NUMBER = 2**32 - 1
_RENDER: Final = {"signs": render, "street": render_street}


@dataclass(frozen=True, slots=True)
class Film:
    """Choice of the film; signs, places, light and noise of every frame follow from its seed and index."""

    kind: str = "signs"
    """`signs` shows one sign at a time, `street` up to four."""
    seed: int = 0
    size: tuple[int, int] = DEFAULT_SIZE
    """Width and height in pixels."""
    frames: int | None = None
    """None: the film never ends."""


def open_demo(options: SourceOptions) -> "DemoSource":
    """Open ``demo``, with options as in ``demo?film=street&seed=7&fps=15&size=640x480&frames=200``.

    It comes at 30 frames/s like a camera, or at `fps`; flat out only with `--pace max`. Raises UsageError for an
    unknown option or a value out of range.
    """
    refuse_unknown("demo", options.query, ("film", "seed", "fps", "size", "frames"))
    kind = options.query.get("film", "signs")
    if kind not in _RENDER:
        raise UsageError(f"demo option film={kind!r} is unknown: expected {' or '.join(_RENDER)}")
    film = Film(
        kind=kind,
        seed=_read_number(options.query, "seed", 0) or 0,
        size=_read_film_size(options.query),
        frames=_read_number(options.query, "frames", 1),
    )
    fps = read_fps("demo", options.query) or _CAMERA_FPS
    return DemoSource(film, options.camera_id, None if options.pace == "max" else Pacer(fps))


class DemoSource:
    """Source of a rendered film, at the pacer's moments, or at full speed without a pacer.

    A frame is rendered before its moment and stamped with it, so rendering does not count as latency unless it is too
    slow for the rate. The truth about a frame is not in it: the scorer asks `mnv2_edge.demo` with the film's seed
    and the frame's index.
    """

    def __init__(self, film: Film, source_id: str, pacer: Pacer | None) -> None:
        self._film = film
        self._source_id = source_id
        self._pacer = pacer
        self._closed = threading.Event()

    @property
    def live(self) -> bool:
        """Return True when it is paced like a camera."""
        return self._pacer is not None

    @property
    def endless(self) -> bool:
        """Return True for a camera without end; flat out it waits for its reader, so it counts as a long file."""
        return self.live and self._film.frames is None

    @property
    def skipped(self) -> int:
        """Return 0: every frame can be rendered."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield the film's frames in RGB, in order, until its end or `close`."""
        index, draw = 0, _RENDER[self._film.kind]
        while self._film.frames is None or index < self._film.frames:
            pixels = draw(self._film.seed, index, self._film.size)
            captured_ns = time.monotonic_ns() if self._pacer is None else self._pacer.wait()
            if captured_ns is None or self._closed.is_set():
                return
            yield Frame(pixels, "RGB", index, captured_ns, self._source_id)
            index += 1

    def close(self) -> None:
        """End the film, also while another thread waits for its next frame."""
        self._closed.set()
        if self._pacer is not None:
            self._pacer.stop()


def _read_number(query: Mapping[str, str], name: str, lowest: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    value = int(text) if text.isascii() and text.isdecimal() else -1
    if not lowest <= value <= _LARGEST_NUMBER:
        raise UsageError(
            f"demo option {name}={text!r} is out of range: expected a whole number from {lowest} to {_LARGEST_NUMBER}, "
            f"as in demo?{name}=200"
        )
    return value


def _read_film_size(query: Mapping[str, str]) -> tuple[int, int]:
    size = read_size("demo", query) or DEFAULT_SIZE
    if not _SMALLEST_PX <= min(size) <= max(size) <= _LARGEST_PX:
        raise UsageError(
            f"demo option size={size[0]}x{size[1]} is out of range: expected {_SMALLEST_PX} to {_LARGEST_PX} pixels "
            "each way, as in demo?size=640x480"
        )
    return size
