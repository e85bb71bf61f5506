"""Turn records into the lines that stdout shows: one object a frame for programs, one line a change for people."""

from typing import Protocol

from mnv2_edge.records import Record, Result, encode

__all__ = ["JsonLines", "LineFormat", "TextLines"]


class LineFormat(Protocol):
    """Turn one record into a line; used by one thread."""

    def line(self, record: Record) -> bytes | None:
        """Return the line with its line end; None when this record has none."""
        ...


class JsonLines:
    """Write a JSON object a line: of results alone, or of every record."""

    def __init__(self, *, results_only: bool) -> None:
        self._results_only = results_only

    def line(self, record: Record) -> bytes | None:
        """Return the record as `mnv2_edge.records.encode` has it."""
        if self._results_only and not isinstance(record, Result):
            return None
        return encode(record) + b"\n"


class TextLines:
    """Write a line when a camera's best label changes, and one for every picture of a folder.

    States of cameras are not repeated here: the log tells them.
    """

    def __init__(self, *, several_cameras: bool, encoding: str = "utf-8") -> None:
        self._several_cameras = several_cameras
        self._encoding = encoding
        self._shown: dict[str, str | None] = {}

    def line(self, record: Record) -> bytes | None:
        """Return label, score and age; None when a camera's label is the one shown last."""
        if not isinstance(record, Result):
            return None
        best = record.predictions[0] if record.predictions else None
        label = None if best is None else best.label
        if not record.picture and record.camera in self._shown and self._shown[record.camera] == label:
            return None
        self._shown[record.camera] = label
        camera = f"{record.camera}: " if self._several_cameras else ""
        picture = f"{_printable(record.picture)}: " if record.picture else ""
        what = "(nothing above the score threshold)" if best is None else f"{_printable(best.label)}  {best.score:.2f}"
        return f"{camera}{picture}{what}  age {record.age_ms:.0f} ms\n".encode(self._encoding, errors="replace")


def _printable(label: str) -> str:
    """Keep what a label file may hold from steering the terminal."""
    return "".join(char if char.isprintable() else "?" for char in label)
