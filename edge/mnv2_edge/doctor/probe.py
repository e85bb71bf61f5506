"""Trials in a child process, because what a doctor looks at may crash or hang."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass

from mnv2_edge.errors import TemporaryError
from mnv2_engines.child_python import code_command

__all__ = ["Probe", "run_command", "run_python"]

_TIMEOUT_S = 60.0  # OpenCV on a cold Pi Zero 2 takes ten
_DYING_S = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """How a child process ended."""

    output: str
    """Its stdout, stripped, when it ended well; empty otherwise."""
    trouble: str
    """Why it did not end well, in one line; empty when it did."""

    @property
    def json_line(self) -> str:
        """Return the last line that is a JSON object: a library may print what it likes before and behind it.

        Raises TemporaryError when there is none.
        """
        for line in reversed(self.output.splitlines()):
            with suppress(ValueError):
                if isinstance(json.loads(line), dict):
                    return line
        raise TemporaryError(f"a process ended well and did not say what it found, but {self.output[-200:]!r}")


def run_python(code: str, *arguments: str, timeout_s: float = _TIMEOUT_S) -> Probe:
    """Run Python code in a child of this interpreter; `arguments` are its ``sys.argv[1:]``."""
    return run_command(*code_command(code, *arguments), timeout_s=timeout_s)


def run_command(program: str, *arguments: str, timeout_s: float = _TIMEOUT_S) -> Probe:
    """Run a program that is found on PATH. What has not ended in time is killed, with all that it has started."""
    try:
        process = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # so that it has a group of its own
        )
    except OSError as exc:
        return Probe("", f"{program} cannot be started: {exc.strerror}")
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        rest = "" if _end(process) else ", and cannot be ended"
        return Probe("", f"it did not answer within {timeout_s:g} s{rest}")
    except BaseException:  # Ctrl-C, which does not reach a group of its own
        _end(process)
        raise
    if process.returncode == 0:
        return Probe(output.strip(), "")
    if process.returncode < 0:
        return Probe("", f"it crashed with {_signal_name(-process.returncode)}")
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return Probe("", lines[-1] if lines else f"it ended with status {process.returncode}")


def _end(process: "subprocess.Popen[str]") -> bool:
    """Kill a process and its group; say whether it is gone. One that waits for a driver takes no signal."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_DYING_S)
    except subprocess.TimeoutExpired:
        process.returncode = -signal.SIGKILL  # or Python warns of it, and asks for it again and again
        return False
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
