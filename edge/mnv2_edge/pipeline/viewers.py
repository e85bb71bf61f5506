"""Interfaces for code in this process: viewers get frames with their results, observers get records alone."""

from dataclasses import dataclass
from typing import Protocol

from mnv2_edge.frames import Frame
from mnv2_edge.records import Record, Result
from mnv2_engines.tasks.class_map import ClassMap

__all__ = ["InferredFrame", "Observer", "Viewer"]


@dataclass(frozen=True, slots=True, eq=False)
class InferredFrame:
    """One frame and the network's results for it."""

    frame: Frame
    """Its pixels are shared by all viewers, which must not write to them."""
    result: Result
    """What was published about it; boxes are in pixels of the whole picture, see `Frame.cut`."""
    class_map: ClassMap | None
    """Of a segmenter."""
    live: bool
    """A camera's; False: a file's, of which nothing is to be lost."""


class Viewer(Protocol):
    """Receiver of sightings on the inference thread; it must never block."""

    def show(self, sighting: InferredFrame) -> None:
        """Use or queue the sighting, and return at once: no I/O, no drawing, no errors. Drops are counted."""
        ...

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is queued or in work; return False when the time was up before.

        The pipeline calls it before every frame of a file, again and again until it returns True, and never for a
        camera.
        """
        ...


class Observer(Protocol):
    """Receiver of every record in this process, before the sinks; an error that it raises ends the run."""

    def publish(self, record: Record) -> None:
        """Handle the record and return at once."""
        ...
