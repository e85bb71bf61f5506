"""`mnv2-edge setup`: a conversation that writes a configuration and tries it."""

import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mnv2_edge.cli.ui.common import current_session, print_error
from mnv2_edge.cli.ui.signals import stop_on_signals
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import AccessError, EdgeError, ExitStatus, UsageError, exit_status_of
from mnv2_engines.errors import EnginesError

if TYPE_CHECKING:
    from mnv2_edge.setup.conversation import SetupPlan
    from mnv2_edge.setup.machine import SetupHost
    from mnv2_edge.setup.prompts import Prompts

__all__ = ["command"]

_FILE = click.Path(path_type=Path, readable=False)
_DEFAULT: Final = Path("mnv2-edge.yaml")


@click.command(
    epilog="""\b
Examples:
  mnv2-edge setup                              asks, and writes mnv2-edge.yaml
  mnv2-edge setup door.yaml                    change it, if it is there
  mnv2-edge setup fleet.yaml --output door.yaml
  mnv2-edge setup door.yaml --yes              ask nothing, and still try all of it

\b
Ctrl-C ends it at any question with nothing written. Passwords are not shown; they
go into files beside the configuration that its owner alone may read.
"""
)
@click.argument("file", type=_FILE, required=False, metavar="[FILE.yaml]")
@click.option(
    "--output", type=_FILE, metavar="FILE", help="Where to write it. [default: FILE.yaml, else mnv2-edge.yaml]"
)
@click.option(
    "--seconds", type=click.FloatRange(0.2, 60), default=2.0, show_default=True, help="How long to try each camera."
)
@click.option("--yes", is_flag=True, help="Take every default; exit with an error if something fails.")
def command(file: Path | None, output: Path | None, seconds: float, *, yes: bool) -> int:
    """Pick camera, model and broker, try each, and write the configuration.

    Enter takes what is offered. A FILE.yaml that is there gives the answers to begin with. In the end it offers to run
    the configuration as a service.
    """
    from mnv2_edge.setup.conversation import SetupPlan
    from mnv2_edge.setup.machine import SetupHost

    prompts = _prompts(yes=yes)
    session = current_session()
    session.set_log_level("warning")
    base = file or _DEFAULT
    begin_with = base if os.path.lexists(base) else None
    if file is None and begin_with is not None:
        _require_own(begin_with)
    if file is not None and output is not None and begin_with is None:
        raise UsageError(f"there is no {file} to begin with: leave it out, or name a file that is there")
    host = SetupHost(
        environment=read_environment(os.environ),
        hostname=socket.gethostname(),
        is_root=os.geteuid() == 0,
        watch_s=seconds,
    )
    before = set(threading.enumerate())
    try:
        status = _talk(SetupPlan((output or base).resolve(), begin_with), prompts, host)
    except (EdgeError, EnginesError) as exc:
        if not _leaves_behind(before):
            raise
        print_error(str(exc))
        status = exit_status_of(exc) or ExitStatus.BUG
    if _leaves_behind(before):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _require_own(path: Path) -> None:
    """Raise AccessError where root would begin with a file that nobody named and somebody else has put here.

    It names engines and pipelines, which are tried.
    """
    trusted = {"0", os.environ.get("SUDO_UID", "0")}
    if os.geteuid() == 0 and str(path.lstat().st_uid) not in trusted:
        raise AccessError(
            f"{path} here belongs to another user, and root would run what it names: "
            f"`mnv2-edge setup {path}` takes it all the same, --output FILE writes elsewhere"
        )


def _leaves_behind(before: set[threading.Thread]) -> bool:
    """Return whether threads hang in foreign code, of a camera's driver say: the interpreter would wait or crash."""
    return any(thread.daemon for thread in threading.enumerate() if thread not in before)


def _talk(plan: "SetupPlan", prompts: "Prompts", host: "SetupHost") -> int:
    """Hold the conversation, and return the exit status; a signal ends it at once."""
    from mnv2_edge.setup.conversation import offer_service, run_setup

    written: Path | None = None
    with stop_on_signals(interrupting=True):
        try:
            written = run_setup(plan, prompts, host)
            if written is not None:
                offer_service(written, prompts, host)
        except (KeyboardInterrupt, click.Abort):
            click.echo(f"\nstopped: {'nothing was written' if written is None else f'{written} stays'}", err=True)
            return ExitStatus.INTERRUPTED
    if written is None:
        click.echo("nothing was written", err=True)
        return ExitStatus.CHECK_FAILED
    return ExitStatus.DONE


def _prompts(*, yes: bool) -> "Prompts":
    """Return where the answers come from. Raises UsageError when no one can be asked."""
    from mnv2_edge.cli.ui.terminal import TerminalPrompts, show_line
    from mnv2_edge.setup.prompts import DefaultPrompts

    if yes:
        return DefaultPrompts(show_line)
    if sys.stdin is None or sys.stdout is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "setup asks questions, and there is no terminal: `mnv2-edge config init FILE` writes a file to edit, "
            "`mnv2-edge setup --yes` takes every default"
        )
    show_line("Enter takes what stands in brackets. Ctrl-C ends it, with nothing written.")
    return TerminalPrompts()
