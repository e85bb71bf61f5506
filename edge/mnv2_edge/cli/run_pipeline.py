"""A pipeline's run from the command line, to its end or a signal; SIGHUP reloads what is new."""

import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from mnv2_edge.cli.ui.common import print_error
from mnv2_edge.cli.ui.signals import Hangup, StopSignal, notice_hangup, stop_on_signals
from mnv2_edge.config.model import Config
from mnv2_edge.environment import Environment, read_environment
from mnv2_edge.errors import EdgeError, ExitStatus, RecordsLostError, TemporaryError
from mnv2_engines.errors import EnginesError

if TYPE_CHECKING:  # the pipeline needs numpy, and `--help` does not
    from mnv2_edge.app import Runtime
    from mnv2_edge.pipeline.pipeline import Observer, Outcome
    from mnv2_edge.service.run_status import ServiceReport

__all__ = ["exit_if_threads_hang", "run_until_stopped", "status_of_losses"]

_log = logging.getLogger(__name__)
_OPENING_S: Final = 300.0
"""The first load of an engine may take two minutes, and a camera that does not answer half a minute."""


def run_until_stopped(
    config: Config,
    *,
    observers: "Sequence[Observer]",
    max_frames: int | None,
    reread: Callable[[], Config] | None = None,
) -> "tuple[Outcome, bool]":
    """Run what `config` describes; return the outcome, and whether a signal ended it.

    While things are being opened both signals raise KeyboardInterrupt, which closes what is open already.
    At SIGHUP `reread` returns the configuration anew, checked, or raises EdgeError. Another one is exchanged for the
    present: cameras, engine and sinks are closed and opened anew in this process. With the same one, and without
    `reread`, another engine in the place of the present one is put to work between two frames. A configuration or an
    engine that is wrong or cannot be opened changes nothing, and the log says why.
    After the run the caller says what it has to say, and calls `exit_if_threads_hang`.
    """
    from mnv2_edge.app import check_outcome
    from mnv2_edge.service.run_status import ServiceReport
    from mnv2_edge.service.sd_notify import Notifier

    environment = read_environment(os.environ)
    with (
        contextlib.closing(Notifier(environment.notify_socket)) as notifier,
        stop_on_signals(interrupting=True) as stop,
        notice_hangup() as hangup,
    ):
        report = ServiceReport(notifier, watchdog_s=environment.watchdog_s)
        reloading = _Reloading(reread, hangup, stop, report)
        if notifier.listens:
            observers = [*observers, report]
        try:
            outcome = _run_and_run_again(config, environment, observers, max_frames, reloading)
        except TemporaryError as exc:  # everything is closed by now, so sinks have sent what they had
            print_error(str(exc))
            _leave(exc.exit_status)
        finally:
            report.stopping()
    check_outcome(outcome, stopped=stop.asked)
    return outcome, stop.asked


def status_of_losses(outcome: "Outcome", *, stopped: bool) -> int:
    """Return the exit status of a run whose cameras and sinks did not fail, having said what was lost."""
    from mnv2_edge.app import check_losses

    try:
        check_losses(outcome, stopped=stopped)
    except RecordsLostError as exc:
        print_error(str(exc))
        return exc.exit_status
    return ExitStatus.DONE


def exit_if_threads_hang(outcome: "Outcome", status: int) -> None:
    """End the process here when threads hang in foreign code: all is closed, and waiting would take for ever."""
    if outcome.stuck:
        _log.warning("%s did not answer and was left behind", ", ".join(outcome.stuck))
        _leave(status)


class _Reloading:
    """Reaction to SIGHUP, on the thread that supervises the run; the pipeline calls `on_alive`."""

    def __init__(
        self, reread: Callable[[], Config] | None, hangup: Hangup, stop: StopSignal, report: "ServiceReport"
    ) -> None:
        self.stop = stop
        self.report = report
        self._running: tuple[Config, Runtime] | None = None
        self._following: Config | None = None
        self._reread = reread
        self._hangup = hangup

    def begin(self, config: Config, runtime: "Runtime") -> None:
        """Note the engine that starts to run."""
        self._running = config, runtime

    def on_alive(self) -> None:
        """Pass the sign of life on, and end this run when there is another configuration to go on with."""
        self.report.alive()
        if self._running is None or not self._hangup.take():
            return
        config, runtime = self._running
        self.report.reloading()
        try:
            following = self._reread() if self._reread is not None else config
        except EdgeError as exc:
            self.refuse(exc)
            return
        self.report.note("")
        if following == config:
            runtime.look_for_engine()
        else:
            self._following = following
            self.stop.set()

    def take(self) -> Config | None:
        """Return the configuration to go on with, once; None when the run has ended for another reason."""
        following, self._following = self._following, None
        return None if self.stop.asked else following

    def refuse(self, error: Exception) -> None:
        """Say that everything stays as it was."""
        for line in str(error).splitlines():
            _log.error("%s", line)
        _log.error("the new configuration was not taken, the old one goes on")
        self.report.note(f"the new configuration was not taken: {error}")


def _run_and_run_again(
    config: Config,
    environment: Environment,
    observers: "Sequence[Observer]",
    max_frames: int | None,
    reloading: _Reloading,
) -> "Outcome":
    """Run one configuration after the other, until a run ends that was not ended for the next."""
    from mnv2_edge.app import open_runtime

    stop, before, lost = reloading.stop, None, 0
    while True:
        reloading.report.slow("opening cameras, engine and sinks", _OPENING_S)
        stop.interrupting = True
        with contextlib.ExitStack() as stack:
            opening = open_runtime(config, environment, observers=observers, on_alive=reloading.on_alive)
            try:
                runtime = stack.enter_context(opening)
            except (EdgeError, EnginesError) as exc:
                if before is None:
                    raise
                reloading.refuse(exc)
                config, before = before, None
                continue
            stop.interrupting = False
            reloading.begin(config, runtime)
            outcome = runtime.run(stop, max_frames=max_frames)
        lost += runtime.lost
        following = reloading.take()
        if following is None:
            return dataclasses.replace(outcome, lost=lost)
        if outcome.stuck:
            raise TemporaryError(
                f"{', '.join(outcome.stuck)} did not end, so the new configuration needs a new process: "
                "a service manager starts one"
            )
        _log.info("the new configuration is taken: cameras, engine and sinks are opened anew")
        before, config = config, following
        stop.clear()


def _leave(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
