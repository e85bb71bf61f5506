"""Run a pipeline from the command line, to its end or until a signal."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from mnv2_edge.cli.common import print_error
from mnv2_edge.cli.stopping import stop_on_signals
from mnv2_edge.config.model import Config
from mnv2_edge.environment import read_environment
from mnv2_edge.errors import TemporaryError

if TYPE_CHECKING:  # the pipeline needs numpy, and `--help` does not
    from mnv2_edge.pipeline import Observer, Outcome

__all__ = ["leave_if_stuck", "run_to_the_end"]

_log = logging.getLogger(__name__)


def run_to_the_end(
    config: Config, *, observers: "Sequence[Observer]", max_frames: int | None
) -> "tuple[Outcome, bool]":
    """Run what `config` describes; return the outcome, and whether a signal ended it.

    While things are being opened both signals raise KeyboardInterrupt, which closes what is open already.
    After the run the caller says what it has to say, and calls `leave_if_stuck`.
    """
    from mnv2_edge.app import check_outcome, open_pipeline

    environment = read_environment(os.environ)
    try:
        with open_pipeline(config, environment, observers=observers) as pipeline, stop_on_signals() as stop:
            outcome = pipeline.run(stop, max_frames=max_frames)
    except TemporaryError as exc:  # behind the `with`, so that sinks have sent what they had
        print_error(str(exc))
        _leave(exc.exit_status)
    check_outcome(outcome, stopped=stop.is_set())
    return outcome, stop.is_set()


def leave_if_stuck(outcome: "Outcome", status: int) -> None:
    """End the process here when threads hang in foreign code: all is closed, and waiting would take for ever."""
    if outcome.stuck:
        _log.warning("%s did not answer and was left behind", ", ".join(outcome.stuck))
        _leave(status)


def _leave(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
