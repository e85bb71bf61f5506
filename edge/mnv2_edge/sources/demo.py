"""Show the demo's film of road signs as a camera would: paced, endless, pixels only."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mnv2_edge.errors import UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.scenes import DEFAULT_SIZE, render
from mnv2_edge.sources import SourceOptions

__all__ = ["DemoFilm", "DemoSource", "open_demo"]

_Number = TypeVar("_Number", int, float)
_SIZE = re.compile(r"(\d+)x(\d+)")
_SMALLEST_PX, _LARGEST_PX = 64, 4096


@dataclass(frozen=True, slots=True)
class DemoFilm:
    """Say what is shown, and how fast."""

    seed: int = 0
    """Chooses the film: signs, places, light and noise of every frame follow from it and the frame's index."""
    fps: float = 30.0
    size: tuple[int, int] = DEFAULT_SIZE
    """Width and height in pixels."""
    frames: int | None = None
    """None: the film never ends."""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "DemoFilm":
        """Read the options of a URI such as ``demo?seed=7&fps=15&size=640x480&frames=200``.

        Raises UsageError for an unknown option or a value out of range.
        """
        unknown = sorted(set(query) - {"seed", "fps", "size", "frames"})
        if unknown:
            raise UsageError(
                f"demo has no option {unknown[0]!r}: expected seed, fps, size or frames, as in demo?fps=15"
            )
        return cls(
            seed=_read(query, "seed", int, 0, (0, 2**32 - 1)),
            fps=_read(query, "fps", float, 30.0, (0.1, 1000.0)),
            size=_read_size(query["size"]) if "size" in query else DEFAULT_SIZE,
            frames=_read(query, "frames", int, 1, (1, 2**31)) if "frames" in query else None,
        )


def open_demo(options: SourceOptions) -> "DemoSource":
    """Open the demo film with the URI's options; unpaced only when `--pace max` asks for it."""
    return DemoSource(DemoFilm.from_query(options.query), options.camera_id, live=options.pace != "max")


class DemoSource:
    """Render a film and give its frames at its rate, or flat out when not `live`.

    A frame is rendered before its time and stamped when that has come, so rendering does not count as latency. When
    rendering or the reader is too slow for the rate, frames come later; none is skipped. The truth about a frame is not
    in it: whoever judges asks `mnv2_edge.scenes.true_label` with the film's seed and the frame's index.
    """

    def __init__(self, film: DemoFilm, source_id: str, *, live: bool = True) -> None:
        self._film = film
        self._source_id = source_id
        self._live = live
        self._closed = threading.Event()

    @property
    def live(self) -> bool:
        """Return True unless it runs flat out."""
        return self._live

    @property
    def endless(self) -> bool:
        """Return True unless the number of frames was given."""
        return self._film.frames is None

    @property
    def skipped(self) -> int:
        """Return 0: every frame can be rendered."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield the film's frames in order until its end or `close`."""
        film = self._film
        due_ns = time.monotonic_ns()
        index = 0
        while film.frames is None or index < film.frames:
            pixels = render(film.seed, index, film.size)
            if self._live:
                self._closed.wait(max(0, due_ns - time.monotonic_ns()) / 1e9)
            if self._closed.is_set():
                return
            now_ns = time.monotonic_ns()
            yield Frame(pixels, "RGB", index, now_ns, self._source_id)
            due_ns = max(due_ns, now_ns - _period_ns(film)) + _period_ns(film)
            index += 1

    def close(self) -> None:
        """End the film, also while another thread waits for its next frame."""
        self._closed.set()


def _period_ns(film: DemoFilm) -> int:
    return round(1e9 / film.fps)


def _read(
    query: Mapping[str, str],
    name: str,
    kind: Callable[[str], _Number],
    default: _Number,
    limits: tuple[_Number, _Number],
) -> _Number:
    text = query.get(name)
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError as exc:
        raise UsageError(f"demo option {name}={text!r} is no number: expected e.g. demo?{name}={default}") from exc
    if not limits[0] <= value <= limits[1]:
        raise UsageError(f"demo option {name}={text} is out of range: expected {limits[0]} to {limits[1]}")
    return value


def _read_size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not _SMALLEST_PX <= min(size) <= max(size) <= _LARGEST_PX:
        raise UsageError(
            f"demo option size={text!r} is no size: expected WIDTHxHEIGHT, each from {_SMALLEST_PX} to "
            f"{_LARGEST_PX} pixels, as in demo?size=640x480"
        )
    return size
