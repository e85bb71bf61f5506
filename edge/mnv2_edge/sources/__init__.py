"""The interface that every source implements, and the options that all of them share; a source gives frames."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from mnv2_edge.sources.decoding.limits import DEFAULT_LIMITS, PictureLimits

if TYPE_CHECKING:  # a frame needs numpy, reading a configuration does not
    from mnv2_edge.frames import Frame

__all__ = ["FrameSource", "Pace", "SourceOptions"]

Pace: TypeAlias = Literal["realtime", "max"]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a source is opened with."""

    uri: str
    """As the user wrote it, without its query unless that is a network camera's own; never log it unredacted, it may
    hold a password."""
    camera_id: str
    """Becomes `Frame.source_id`."""
    pace: Pace | None = None
    """None: a file runs flat out, a camera at its own rate."""
    query: dict[str, str] = field(default_factory=dict)
    """Options of the URI, e.g. `size`, `fps`; a source raises UsageError for one that it does not know."""
    secret: str = field(default="", repr=False)
    """The password, already read from its file or the environment; empty when there is none."""
    stall_s: float = 5.0
    """How long whoever supervises waits for a frame before the source is closed; a read should return by then."""
    limits: PictureLimits = DEFAULT_LIMITS
    """How large a picture may be that comes compressed."""


class FrameSource(Protocol):
    """Iterator over frames; complete once constructed, used in `with contextlib.closing(...)`."""

    @property
    def live(self) -> bool:
        """Return True when frames come at their own rate, so that unread ones are dropped, newest wins.

        False: the source waits for its reader and nothing is dropped.
        """
        ...

    @property
    def endless(self) -> bool:
        """Return True when an end is a fault (a camera), False when it is the end (a file)."""
        ...

    @property
    def skipped(self) -> int:
        """Count the pictures that were there and could not be decoded."""
        ...

    def __iter__(self) -> "Iterator[Frame]":
        """Yield frames in order. Raises SourceError when the source breaks."""
        ...

    def close(self) -> None:
        """Free the device, or let the read that is under way in another thread do so when it returns.

        Returns at once and makes that read return soon; safe to call twice.
        """
        ...
