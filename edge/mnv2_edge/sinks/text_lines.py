"""Records as the lines that stdout shows: one object a frame for programs, one line a change for people."""

from typing import Final, Protocol

from mnv2_edge.records import Record, Result, encode
from mnv2_engines.printable import printable

__all__ = ["JsonLines", "LineFormat", "TextLines"]


_NOTHING: Final = "(nothing above the score threshold)"


class LineFormat(Protocol):
    """Formatter of one record as a line; used by one thread."""

    def line(self, record: Record) -> bytes | None:
        """Return the line with its line end; None when this record has none."""
        ...


class JsonLines:
    """One JSON object a line: of results alone, or of every record."""

    def __init__(self, *, results_only: bool) -> None:
        self._results_only = results_only

    def line(self, record: Record) -> bytes | None:
        """Return the record as `mnv2_edge.records.encode` has it."""
        if self._results_only and not isinstance(record, Result):
            return None
        return encode(record) + b"\n"


class TextLines:
    """One line when a camera's `Result.summary` changes, and one for every picture of a folder.

    States of cameras are not repeated here: the log tells them.
    """

    def __init__(self, *, several_cameras: bool, encoding: str = "utf-8") -> None:
        self._several_cameras = several_cameras
        self._encoding = encoding
        self._shown: dict[str, str] = {}

    def line(self, record: Record) -> bytes | None:
        """Return what there is, how sure that is, and its age; None when a camera's summary is the one shown last."""
        if not isinstance(record, Result):
            return None
        if not record.picture and self._shown.get(record.camera) == record.summary:
            return None
        self._shown[record.camera] = record.summary
        camera = f"{record.camera}: " if self._several_cameras else ""
        picture = f"{printable(record.picture)}: " if record.picture else ""
        what = f"{printable(record.summary)}  {_figures(record)}" if record.summary else _NOTHING
        return f"{camera}{picture}{what}  age {record.age_ms:.0f} ms\n".encode(self._encoding, errors="replace")


def _figures(result: Result) -> str:
    """Return the best score, or the share of each class in the order of the summary."""
    scores = [found.score for found in result.predictions] + [found.score for found in result.detections]
    if scores:
        return f"{max(scores):.2f}"
    segments = sorted(result.segments, key=lambda segment: segment.class_id)
    return ", ".join(f"{segment.share:.0%}" for segment in segments)
