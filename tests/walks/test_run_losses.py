"""The command `run` when its records cannot be delivered."""

import os
import subprocess
from pathlib import Path

import pytest

from support.command import COMMAND, environment


def run_onto(output: int, home: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, "run", "--camera", "demo?frames=30", "--format", "jsonl", *more]
    return subprocess.run(
        command, stdout=output, stderr=subprocess.PIPE, text=True, env=environment(home), timeout=60, check=False
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_finite_run_onto_a_full_disk_ends_with_75_and_says_how_much_is_lost(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_onto(full.fileno(), tmp_path, "--pace", "max")
    assert done.returncode == 75, done.stderr
    assert "; 30 records lost" in done.stderr
    assert "30 records are lost, or may be" in done.stderr


def test_a_reader_that_has_gone_has_lost_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_onto(writing, tmp_path)
    os.close(writing)
    assert done.returncode == 0, done.stderr
