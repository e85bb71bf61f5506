"""Give colour bars that wander to the left, as a camera would: `--camera 'testcard:?size=640x480&fps=30'`."""

from collections.abc import Iterator

import numpy as np

from mnv2_edge.frames import Frame
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_edge.sources.uri import read_fps, read_size, refuse_unknown

__all__ = ["ColorBars", "open_testcard"]

_BARS = np.array(
    [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]],
    dtype=np.uint8,
)


def open_testcard(options: SourceOptions) -> "ColorBars":
    """Open the source: this is what the entry point names.

    Raises UsageError for an option that the source does not know, or that makes no sense.
    """
    refuse_unknown("testcard", options.query, ("size", "fps"))
    width, height = read_size("testcard", options.query) or (640, 480)
    return ColorBars(options.camera_id, width, height, Pacer(read_fps("testcard", options.query) or 30.0))


class ColorBars:
    """Own nothing but a pace; a source that owns a device opens it in `__init__`, or raises SourceError."""

    def __init__(self, source_id: str, width: int, height: int, pacer: Pacer) -> None:
        self._source_id = source_id
        self._line = _BARS[np.arange(width) * len(_BARS) // width]
        self._height = height
        self._pacer = pacer

    @property
    def live(self) -> bool:
        """Return True: frames come at their own rate, and what nobody reads is dropped."""
        return True

    @property
    def endless(self) -> bool:
        """Return True: if this ends by itself, it is a fault."""
        return True

    @property
    def skipped(self) -> int:
        """Return 0: every picture can be made."""
        return 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield a new picture at every moment of the pacer, until `close`."""
        index = 0
        while (captured_ns := self._pacer.wait()) is not None:
            line = np.roll(self._line, -index, axis=0)
            pixels = np.repeat(line[np.newaxis], self._height, axis=0)  # a new array: a frame belongs to its receiver
            yield Frame(pixels, "RGB", index, captured_ns, self._source_id)
            index += 1

    def close(self) -> None:
        """End the iteration, from whichever thread."""
        self._pacer.stop()
