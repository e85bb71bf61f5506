"""Records on stdout: a line when the label changes for people, a JSON object a frame for programs."""

import logging
import sys
import threading
import time

from mnv2_edge.records import Record
from mnv2_edge.sinks import Sink, SinkOptions
from mnv2_edge.sinks.queue import RecordQueue
from mnv2_edge.sinks.settings import StdoutSettings, read_settings
from mnv2_edge.sinks.stdout_writer import Output, OutputGoneError, open_output, stdout_is_terminal
from mnv2_edge.sinks.text_lines import JsonLines, LineFormat, TextLines

__all__ = ["NullSink", "StdoutSink", "open_stdout"]

_log = logging.getLogger(__name__)
_QUEUE_LIMIT = 256  # 8 s at 30 frames/s, about 200 KB
_IDLE_S = 1.0  # how soon a closed pipe is noticed when there is nothing to write
_CLOSE_S = 0.5


def open_stdout(options: SinkOptions) -> Sink:
    """Open the sink `stdout`.

    Raises ConfigError for options that are not those of `StdoutSettings`.
    """
    settings = read_settings(options, StdoutSettings)
    chosen = settings.format
    if chosen == "auto":
        chosen = "text" if stdout_is_terminal() else "jsonl"
    if chosen == "none":
        return NullSink()
    if chosen == "jsonl":
        return StdoutSink(open_output(sys.stdout), JsonLines(results_only=settings.records == "results"))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return StdoutSink(open_output(sys.stdout), TextLines(several_cameras=len(options.cameras) > 1, encoding=encoding))


class StdoutSink:
    """Owner of the thread that writes records to an output. With None as output, the sink is broken from the start."""

    def __init__(self, output: Output | None, lines: LineFormat, *, limit: int = _QUEUE_LIMIT) -> None:
        self._output = output
        self._lines = lines
        self._queue = RecordQueue("the reader of stdout", limit)
        self._broken = "stdout is closed" if output is None else ""
        self._failed = False
        self._give_up_at: float | None = None
        self._failed_before = False
        self._thread = threading.Thread(target=self._main, name="stdout", daemon=True)
        self._thread.start()

    @property
    def broken(self) -> str:
        """Return why the output has no reader any more; empty while it may have one."""
        return self._broken

    @property
    def failed(self) -> bool:
        """Return True when it is we who cannot write any more."""
        return self._failed

    @property
    def dropped(self) -> int:
        """Count the records that a slow or absent reader did not get."""
        return self._queue.dropped

    def publish(self, record: Record) -> None:
        """Queue a record for the writing thread."""
        self._queue.put(record)

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:
        """Wait for a slow reader, as `Sink.wait_backlog`."""
        return bool(self._broken) or self._queue.wait_backlog(at_most, timeout_s)

    def close(self) -> None:
        """Give the reader half a second to take what is queued, then count the rest as dropped."""
        self._give_up_at = self._give_up_at or time.monotonic() + _CLOSE_S
        self._queue.close()
        # A terminal that was stopped (Ctrl-S) may hold the thread in write(2); it ends with the process.
        self._thread.join(max(0.0, self._give_up_at - time.monotonic()) + 0.1)
        lost = self._queue.discard()
        if lost and not self._broken:
            _log.warning("stdout: %d records were not taken by its reader in time", lost)

    def _main(self) -> None:
        try:
            while not (self._queue.closed and self._out_of_time()):
                record = self._queue.get(_IDLE_S)
                if record is not None:
                    self._queue.done(dropped=not self._hand_over(record))
                elif self._queue.closed:
                    return
                else:
                    self._check_reader()
        except Exception as exc:  # noqa: BLE001 - the top of a thread: handed on as `broken`
            _log.exception("stdout: writing ended")
            self._failed, self._broken = True, f"writing to stdout failed: {type(exc).__name__}: {exc}"
            self._queue.discard()

    def _hand_over(self, record: Record) -> bool:
        """Write a record; return False when that was not possible."""
        if self._broken or self._output is None:
            return False
        line = self._lines.line(record)
        try:
            return line is None or self._output.write(line, self._out_of_time)
        except OutputGoneError as exc:
            self._break(exc)
        except OSError as exc:  # a full disk may have room again later
            if not self._failed_before:
                self._failed_before = True
                _log.warning("stdout: a record could not be written (%s); this is counted and not told again", exc)
        return False

    def _check_reader(self) -> None:
        try:
            if self._output is not None and not self._broken:
                self._output.check()
        except OutputGoneError as exc:
            self._break(exc)

    def _break(self, why: OutputGoneError) -> None:
        self._broken = f"stdout: {why}"
        self._queue.discard()

    def _out_of_time(self) -> bool:
        return self._give_up_at is not None and time.monotonic() > self._give_up_at


class NullSink:
    """Sink that drops every record on purpose: `--format none`."""

    @property
    def broken(self) -> str:
        """Return that all is well."""
        return ""

    @property
    def failed(self) -> bool:
        """Return that all is well."""
        return False

    @property
    def dropped(self) -> int:
        """Return 0: they were not wanted."""
        return 0

    def publish(self, record: Record) -> None:
        """Drop the record."""

    def wait_backlog(self, at_most: int, timeout_s: float) -> bool:  # noqa: ARG002 - the seam's signature
        """Return at once."""
        return True

    def close(self) -> None:
        """Do nothing."""
