"""Run the command line: the console script `mnv2-edge`, and `python -m mnv2_edge`."""

import errno
import faulthandler
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from mnv2_edge.cli import cli
from mnv2_edge.cli.common import Session, logging_to_stderr, print_error, print_traceback
from mnv2_edge.environment import forget_unknown
from mnv2_edge.exit_status import ExitStatus, exit_status_of

__all__ = ["main"]

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; whatever goes wrong is one line on stderr, not a traceback."""
    if sys.stderr is not None and not faulthandler.is_enabled():
        faulthandler.enable()  # a watchdog's SIGABRT, or a crash in a camera's driver, then tells where
    if sys.flags.isolated and os.geteuid() == 0:  # as install.sh has it started
        forget_unknown(os.environ)
    args = list(sys.argv[1:] if argv is None else argv)
    session = Session()
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
            _discard_stdout()
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
    if status is None and isinstance(error, OSError) and error.errno in _FULL:
        _discard_stdout()
        print_error(f"{error.filename or 'stdout'} cannot be written ({error.strerror}): free some space and try again")
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


def _discard_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's last flush does not complain about what cannot be written."""
    if sys.stdout is None:
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # stdout is no file (a test's buffer): there is nothing to flush either
        return


if __name__ == "__main__":
    sys.exit(main())
