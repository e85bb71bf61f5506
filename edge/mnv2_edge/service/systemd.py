"""State, start and stop of the service's instances, by systemd."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from mnv2_edge.errors import AccessError, ExitStatus, TemporaryError
from mnv2_edge.service.paths import unit_of

__all__ = ["CommandRunner", "UnitState", "read_state", "start_and_wait", "stop", "systemctl"]

_PROPERTIES: Final = "ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts,StatusText,UnitFileState"
_ERROR: Final = "mnv2-edge: error: "
_EXITED: Final = "1"
"""CLD_EXITED, in ExecMainCode."""
_MEANINGS: Final = {
    ExitStatus.DONE: "it came to its end",
    ExitStatus.USAGE: "wrong usage; it is not started again",
    ExitStatus.BAD_ENGINE: "a bad or stale engine; it is not started again",
    ExitStatus.UNAVAILABLE: "a broker, device or library is not there",
    ExitStatus.BUG: "a bug of ours",
    ExitStatus.TRY_AGAIN: "a thread hung beyond repair",
    ExitStatus.NO_PERMISSION: "something may not be opened by its user",
    ExitStatus.BAD_CONFIG: "a wrong configuration; it is not started again",
    ExitStatus.INTERRUPTED: "it was stopped while it was starting",
}


class CommandRunner(Protocol):
    """Function that runs a command to its end."""

    def __call__(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Return what it printed; never raises for its exit status."""
        ...


@dataclass(frozen=True, slots=True)
class UnitState:
    """State of an instance, in systemd's words."""

    state: str
    """`active`, `activating`, `reloading`, `deactivating`, `inactive` or `failed`."""
    sub: str
    result: str
    exit_status: int | None
    """Of the last process that ended; None when none did by itself."""
    restarts: int
    status: str
    """What the process says of itself; empty when it does not run."""
    starts_at_boot: bool
    error: str = ""
    """What it said before it failed, if the journal may be read."""

    @property
    def why(self) -> str:
        """Return in one line how it is."""
        if self.state in ("active", "reloading"):
            return self.status or self.sub
        if self.result == "watchdog":
            return "a thread did not get on, so the watchdog ended it"
        if self.result in ("oom-kill", "timeout", "start-limit-hit"):
            return self.result
        if self.exit_status is not None and (self.state == "failed" or self.sub == "auto-restart"):
            meaning = next((text for known, text in _MEANINGS.items() if known == self.exit_status), "")
            return ": ".join(part for part in (f"exit status {self.exit_status}", meaning, self.error) if part)
        return self.status or self.sub


def systemctl(*command: str) -> "subprocess.CompletedProcess[str]":
    """CommandRunner systemctl or another of systemd's tools. Raises AccessError where there is no systemd."""
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError as exc:
        raise AccessError(f"{command[0]} cannot be run ({exc.strerror}): a service needs systemd") from exc


def read_state(name: str, run: CommandRunner = systemctl) -> UnitState:
    """Return how an instance is."""
    shown = run("systemctl", "show", unit_of(name), f"--property={_PROPERTIES}").stdout
    found = dict(line.partition("=")[::2] for line in shown.splitlines())
    exited = found.get("ExecMainCode") == _EXITED
    active, sub = found.get("ActiveState", "unknown"), found.get("SubState", "")
    return UnitState(
        state=active,
        sub=sub,
        result=found.get("Result", ""),
        exit_status=int(found.get("ExecMainStatus") or 0) if exited else None,
        restarts=int(found.get("NRestarts") or 0),
        status=found.get("StatusText", ""),
        starts_at_boot=found.get("UnitFileState") == "enabled",
        error=_last_error(name, run) if active == "failed" or sub == "auto-restart" else "",
    )


def start_and_wait(name: str, run: CommandRunner = systemctl, *, timeout_s: float = 240.0) -> UnitState:
    """Start an instance now and at each boot; return its state once it is ready or has failed.

    Raises AccessError when systemd refuses, TemporaryError when it is neither within the time.
    """
    for verb in (("enable",), ("restart", "--no-block")):
        done = run("systemctl", *verb, unit_of(name))
        if done.returncode:
            raise AccessError(f"systemctl {verb[0]} {unit_of(name)}: {' '.join(done.stderr.split())}")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        unit = read_state(name, run)
        if unit.state in ("active", "failed"):
            return unit
        time.sleep(0.2)
    raise TemporaryError(f"{name} is not ready after {timeout_s:g} s: mnv2-edge service logs {name}")


def stop(names: Sequence[str], run: CommandRunner = systemctl) -> None:
    """Stop instances, and start them no more."""
    for name in names:
        run("systemctl", "disable", "--now", unit_of(name))
        run("systemctl", "reset-failed", unit_of(name))


def _last_error(name: str, run: CommandRunner) -> str:
    journal = run("journalctl", f"--unit={unit_of(name)}", "--lines=50", "--output=cat", "--no-pager").stdout
    errors = [line.removeprefix(_ERROR) for line in journal.splitlines() if line.startswith(_ERROR)]
    return errors[-1] if errors else ""
