"""The command line as a program: the console script `mnv2-edge`, and `python -m mnv2_edge`."""

import faulthandler
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from mnv2_edge.cli import cli
from mnv2_edge.cli.ui.common import Session, logging_to_stderr, print_error, print_traceback
from mnv2_edge.environment import forget_unknown
from mnv2_edge.errors import ExitStatus, exit_status_of
from mnv2_edge.sources.decoding.limits import bound_opencv
from mnv2_engines.files.disk_errors import disk_error

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; whatever goes wrong is one line on stderr, not a traceback."""
    if sys.stderr is not None and not faulthandler.is_enabled():
        faulthandler.enable()  # a watchdog's SIGABRT, or a crash in a camera's driver, then tells where
    if sys.flags.isolated and os.geteuid() == 0:  # as install.sh has it started
        forget_unknown(os.environ)
    bound_opencv()  # before anything imports it, and for whatever this process starts
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(args, Session())
    finally:
        _settle(sys.stderr)


def _run(args: list[str], session: Session) -> int:
    with logging_to_stderr(session):
        try:
            status = _invoke(args, session)
            if sys.stdout is not None:  # None: the process was started without one
                sys.stdout.flush()
        except KeyboardInterrupt:
            return ExitStatus.INTERRUPTED
        except click.Abort:  # at a question, whose line is still open
            click.echo(err=True)
            return ExitStatus.INTERRUPTED
        except BrokenPipeError:
            _discard(sys.stdout)
            return ExitStatus.PIPE_CLOSED
        except Exception as exc:  # noqa: BLE001 - the top of the main thread
            return _explain(exc, session)
    return status


def _invoke(args: list[str], session: Session) -> int:
    try:
        with cli.make_context("mnv2-edge", args, obj=session) as context:
            returned = cli.invoke(context)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    return returned if isinstance(returned, int) else ExitStatus.DONE


def _explain(error: Exception, session: Session) -> int:
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mnv2-edge"
        print_error(f"{' '.join(error.format_message().split()).rstrip('.')}; see `{where} --help`")
        return ExitStatus.USAGE
    if session.debug:
        print_traceback(error)
    status = exit_status_of(error)
    trouble = disk_error(error, _place(error)) if status is None else None
    if trouble is not None:
        _settle(sys.stdout)
        print_error(str(trouble))
        return ExitStatus.TRY_AGAIN
    if status is None and isinstance(error, MemoryError):
        print_error("there is not enough memory for this: end other programs and try again")
        return ExitStatus.TRY_AGAIN
    if status is None and isinstance(error, PermissionError) and error.filename:
        name = os.fsdecode(error.filename)
        print_error(f"{name} is closed to this user ({error.strerror}): `namei -l {name}` shows who may")
        return ExitStatus.NO_PERMISSION
    if status is None:
        again = "" if session.debug else ": run again with --debug"
        print_error(f"{type(error).__name__}: {error} (this is a bug{again})")
        return ExitStatus.BUG
    print_error(str(error) or type(error).__name__)
    return status


def _place(error: Exception) -> str:
    """Say what could not be used; an error without a file's name comes from writing to stdout."""
    name = error.filename if isinstance(error, OSError) else None
    return f"{os.fsdecode(name)} cannot be used" if name else "stdout cannot be written"


def _settle(stream: TextIO | None) -> None:
    """Write what a stream still holds, or forget it: the interpreter would try at its end, and change the status."""
    if stream is None or stream.closed:  # None: the process was started without it
        return
    try:
        stream.flush()
    except OSError:
        _discard(stream)


def _discard(stream: TextIO | None) -> None:
    """Point a stream nowhere, so that the interpreter's last flush does not complain about what cannot be written."""
    if stream is None:
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except OSError:  # it is not a file (a test's buffer): there is nothing to flush either
        return


if __name__ == "__main__":
    sys.exit(main())
