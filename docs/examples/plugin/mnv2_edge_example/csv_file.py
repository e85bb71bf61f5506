"""Write the best label of every result to a CSV file: `sinks: [csv: {path: labels.csv}]`."""

import csv
import io
import logging
import threading
from pathlib import Path

import msgspec

from mnv2_edge.errors import SinkError
from mnv2_edge.records import Record, Result
from mnv2_edge.sinks import SinkOptions
from mnv2_edge.sinks.queue import RecordQueue
from mnv2_edge.sinks.settings import read_settings

__all__ = ["CsvSettings", "CsvSink", "open_csv"]

_log = logging.getLogger(__name__)
_COLUMNS = ("time", "camera", "frame", "label", "score")
_QUEUE_LIMIT = 256
_CLOSE_S = 0.5


class CsvSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the sink, as they stand in a configuration."""

    path: str
    """Rows are appended to what is there."""


def open_csv(options: SinkOptions) -> "CsvSink":
    """Open the sink: this is what the entry point names.

    Raises ConfigError for options that are not those of `CsvSettings`, SinkError when the file cannot be opened.
    """
    path = Path(read_settings(options, CsvSettings).path)
    try:
        file = path.open("ab", buffering=0)  # a row is one write, so that nothing is left over that fails later
    except OSError as exc:
        raise SinkError(f"{path} cannot be opened ({exc.strerror}): expected a file that can be written") from exc
    return CsvSink(file)


class CsvSink:
    """Own the file and the thread that writes to it: `publish` is called between two frames and must not wait."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._queue = RecordQueue("the CSV file", _QUEUE_LIMIT)
        self._failed_before = False
        self._needs_header = file.tell() == 0
        self._thread = threading.Thread(target=self._main, name="csv", daemon=True)
        self._thread.start()

    @property
    def broken(self) -> str:
        """Return nothing: a full disk may have room again later."""
        return ""

    @property
    def failed(self) -> bool:
        """Return False: see `broken`."""
        return False

    @property
    def dropped(self) -> int:
        """Count the records that never came into the file."""
        return self._queue.dropped

    def publish(self, record: Record) -> None:
        """Queue results; states and events have no row."""
        if isinstance(record, Result):
            self._queue.put(record)

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
        """Wait for a slow disk."""
        return self._queue.wait_backlog(at_most, timeout_s)

    def close(self) -> None:
        """Write what is queued, for half a second at most."""
        self._queue.close()
        self._thread.join(_CLOSE_S)

    def _main(self) -> None:
        with self._file:
            while not (self._queue.closed and self._queue.backlog == 0):
                record = self._queue.get(None)
                if isinstance(record, Result):
                    self._queue.done(dropped=not self._write(record))

    def _write(self, result: Result) -> bool:
        """Append a row; return False when that was not possible."""
        rows = _row(*_COLUMNS) * self._needs_header + _row_of(result)
        try:
            self._file.write(rows)
        except OSError as exc:
            if not self._failed_before:
                self._failed_before = True
                _log.warning("%s cannot be written (%s); this is counted and not told again", self._file.name, exc)
            return False
        self._needs_header = False
        return True


def _row_of(result: Result) -> bytes:
    """Return what there is, whatever the task, and the best score if there are scores."""
    scores = [found.score for found in result.predictions] + [found.score for found in result.detections]
    score = f"{max(scores):.4f}" if scores else ""
    return _row(result.captured.time, result.camera, str(result.frame), result.summary, score)


def _row(*cells: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
