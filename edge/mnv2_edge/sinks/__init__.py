"""The interface that every sink implements; a sink publishes records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from mnv2_edge.records import Record

__all__ = ["BACKLOG", "Sink", "SinkOptions"]

BACKLOG: Final = 64
"""How many records may wait in a sink while a source that waits for its reader (a file) goes on.

A sink's queue holds more than that, so that such a source loses nothing.
"""


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What a sink is opened with."""

    kind: str
    """The entry point's name, `stdout`, `mqtt` or a plug-in's."""
    device: str
    """The device's id in records and topics."""
    device_name: str
    """The device's name for people."""
    instance: str
    """Tells several runtimes on one device apart; empty for the only one."""
    cameras: tuple[str, ...]
    """Every camera id that records may carry."""
    labels: Callable[[], tuple[str, ...]] = tuple
    """Return the labels of the network that serves, for consumers that want to know them beforehand; may be empty.

    After an event `engine` they may be others.
    """
    options: Mapping[str, object] = field(default_factory=dict)
    """The sink's own, as in the configuration; ours are of a type in `mnv2_edge.sinks.settings`."""
    secret: str = field(default="", repr=False)
    """The password, already read from its file or the environment; empty when there is none."""


class Sink(Protocol):
    """Receiver of records from any thread; it never blocks the thread that publishes them.

    Frames of a live camera are published whatever happens: a sink that cannot keep up drops records and counts them.
    Frames of a file can wait. Before each of them the pipeline calls ``wait_backlog(BACKLOG, ...)``, and at the end
    ``wait_backlog(0, ...)``, again and again with a short timeout until it returns True or somebody wants to stop.
    """

    @property
    def broken(self) -> str:
        """Return why nothing published from now on will ever arrive; empty while it may."""
        ...

    @property
    def failed(self) -> bool:
        """Return True when it is broken by a fault of its own; a reader that has gone is none."""
        ...

    @property
    def dropped(self) -> int:
        """Count the records that were published and will never arrive, since the sink was opened.

        Records that a sink leaves out by its rules (MQTT publishes changes only) are not dropped.
        """
        ...

    def publish(self, record: Record) -> None:
        """Queue the record and return at once: no I/O, no waiting, no raising.

        A sink's queue is bounded; what it drops when the queue is full is counted and logged once.
        """
        ...

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
        """Wait until at most `at_most` records are queued; return False when the time was up before.

        A record that is being handed over counts as queued. A sink that is broken, or that has no receiver and
        may not get one soon (its broker is down), returns True at once.
        """
        ...

    def close(self) -> None:
        """Send what can be sent within half a second, then free everything. Safe to call twice."""
        ...
