"""Parts of every command: the `--debug` and `--json` flags, logs on stderr, one line for an error."""

import copy
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias

import click

from mnv2_edge.redaction import redact
from mnv2_engines.printable import printable

__all__ = [
    "LogLevel",
    "Session",
    "accept_debug",
    "current_session",
    "json_option",
    "logging_to_stderr",
    "print_error",
    "print_traceback",
]

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@dataclass(slots=True)
class Session:
    """Settings of one run of the command line, the same for every command."""

    debug: bool = False
    """Show tracebacks, and log everything."""

    def set_debug(self) -> None:
        """Log everything, with tracebacks, from now on; a level set later does not take that back."""
        self.debug = True
        logging.getLogger().setLevel(logging.DEBUG)

    def set_log_level(self, level: LogLevel) -> None:
        """Log from `level` upwards from now on, unless `--debug` was given."""
        if not self.debug:
            logging.getLogger().setLevel(level.upper())


def current_session() -> Session:
    """Return the session of the command that is running (click's root context holds it)."""
    return click.get_current_context().find_root().ensure_object(Session)


@contextmanager
def logging_to_stderr(session: Session) -> Iterator[None]:
    """Log to stderr inside of the `with`, from INFO upwards until the session says otherwise."""
    root = logging.getLogger()
    before = root.level
    handler = _ToStderr()
    handler.setFormatter(_Formatter(session))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


def print_error(message: str) -> None:
    """Write every line of `message` to stderr, each as an error of its own, without secrets.

    File names, brokers and cameras speak in messages: nothing of them reaches the terminal but printable text.
    """
    _write("".join(f"mnv2-edge: error: {printable(line)}\n" for line in redact(message).split("\n")))


def print_traceback(error: BaseException) -> None:
    """Write where `error` comes from to stderr, without secrets."""
    _write(printable(redact("".join(traceback.format_exception(error))), keep="\n"))


def _write(text: str) -> None:
    """Write to stderr; where there is none, or it is not read, only the exit status says it."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def accept_debug(command: click.Command) -> click.Command:
    """Let `command`, and what is below it, take `--debug`, so that it may stand anywhere on the command line."""
    if not any("--debug" in param.opts for param in command.params):
        command.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_take_debug,
                help="Log everything; show tracebacks.",
            )
        )
    if isinstance(command, click.Group):
        for below in command.commands.values():
            accept_debug(below)
    return command


def _take_debug(context: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's call
    if value:
        context.find_root().ensure_object(Session).set_debug()


class _ToStderr(logging.StreamHandler):  # type: ignore[type-arg]  # Python 3.10 has none
    """Log handler for the current `sys.stderr`, which a progress bar replaces to stay below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Formatter(logging.Formatter):
    """Log format: one printable line a record, without secrets, with a traceback only for debugging."""

    def __init__(self, session: Session) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._session = session

    def format(self, record: logging.LogRecord) -> str:
        shown = copy.copy(record)
        shown.exc_text = None  # what another handler made of the traceback
        if shown.exc_info and not self._session.debug:
            error, shown.exc_info = shown.exc_info[1], None
            return printable(redact(f"{super().format(shown)}: {type(error).__name__}: {error}"))
        return printable(redact(super().format(shown)), keep="\n" if shown.exc_info else "")
