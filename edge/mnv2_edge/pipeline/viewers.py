"""Show frames together with what was found in them: the seam of whoever needs pictures, not records alone."""

from dataclasses import dataclass
from typing import Protocol

from mnv2_edge.frames import Frame
from mnv2_edge.records import Result
from mnv2_engines.predictions import ClassMap

__all__ = ["Sighting", "Viewer"]


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One frame that the network has looked at."""

    frame: Frame
    """Its pixels are shared by all viewers: nobody writes to them."""
    result: Result
    """What was published about it; boxes are in pixels of the whole picture, see `Frame.cut`."""
    class_map: ClassMap | None
    """Of a segmenter."""
    live: bool
    """A camera's; False: a file's, of which nothing is to be lost."""


class Viewer(Protocol):
    """Take sightings on the inference thread and never hold it up."""

    def show(self, sighting: Sighting) -> None:
        """Look or queue, and return at once: no I/O, no drawing, no raising. What a full queue drops is counted."""
        ...

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is queued or in work; return False when the time was up before.

        The pipeline calls it before every frame of a file, again and again until it returns True, and never for a
        camera.
        """
        ...
