"""Try things in a child process, because what a doctor has to look at may crash or hang."""

import signal
import subprocess
import sys
from dataclasses import dataclass

__all__ = ["Probe", "run_command", "run_python"]

_TIMEOUT_S = 60.0  # OpenCV on a cold Pi Zero 2 takes ten


@dataclass(frozen=True, slots=True)
class Probe:
    """How a child process ended."""

    output: str
    """Its stdout, stripped, when it ended well; empty otherwise."""
    trouble: str
    """Why it did not end well, in one line; empty when it did."""


def run_python(code: str, *arguments: str, timeout_s: float = _TIMEOUT_S) -> Probe:
    """Run Python code in a child of this interpreter; `arguments` are its ``sys.argv[1:]``."""
    return run_command(sys.executable, "-c", code, *arguments, timeout_s=timeout_s)


def run_command(program: str, *arguments: str, timeout_s: float = _TIMEOUT_S) -> Probe:
    """Run a program that is found on PATH."""
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe("", f"it did not answer within {timeout_s:g} s")
    except OSError as exc:
        return Probe("", f"{program} cannot be started: {exc.strerror}")
    if done.returncode == 0:
        return Probe(done.stdout.strip(), "")
    if done.returncode < 0:
        return Probe("", f"it crashed with {_signal_name(-done.returncode)}")
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return Probe("", lines[-1] if lines else f"it ended with status {done.returncode}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
