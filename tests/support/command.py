"""Run the real command line in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "mnv2_edge")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment whose cache, engines and models are in `home`."""
    ours = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}  # a terminal says
    return {**ours, "XDG_CACHE_HOME": str(home), "MNV2_EDGE_HOME": str(home), **more}


def start(*args: str | Path, home: Path, **more: str) -> "subprocess.Popen[str]":
    """Start `mnv2-edge ARGS` with pipes; the caller ends it."""
    return subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home, **more),
    )


def call(*args: str | Path, home: Path, timeout_s: float = 60, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `mnv2-edge ARGS` to its end."""
    process = start(*args, home=home, **more)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def json_lines(text: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def errors(text: str) -> Sequence[str]:
    """Return the lines on stderr that say what went wrong."""
    return [line for line in text.splitlines() if line.startswith("mnv2-edge: error: ")]
