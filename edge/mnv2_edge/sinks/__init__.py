"""Publish records: the seam that every sink implements."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mnv2_edge.records import Record

__all__ = ["Sink", "SinkOptions"]


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
    labels: tuple[str, ...] = ()
    """The network's labels, for consumers that want to know them beforehand; may be empty."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The sink's own, as in the configuration; ours are of a type in `mnv2_edge.sinks.settings`."""
    secret: str = field(default="", repr=False)
    """The password, already read from its file or the environment; empty when there is none."""


class Sink(Protocol):
    """Take records and never hold up the thread that publishes them."""

    @property
    def broken(self) -> str:
        """Return why nothing published from now on will ever arrive (its reader is gone); empty while it may."""
        ...

    def publish(self, record: Record) -> None:
        """Queue the record and return at once: no I/O, no waiting, no raising.

        A sink's queue is bounded; what it drops when the queue is full is counted and logged once.
        """
        ...

    def close(self) -> None:
        """Send what can be sent within half a second, then free everything. Safe to call twice."""
        ...
