"""The command `run` when its records cannot be delivered."""

import os
from pathlib import Path

import pytest

from support.command import start


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_finite_run_onto_a_full_disk_ends_with_75_and_says_how_much_is_lost(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = start(
            "run", "--camera", "demo?frames=30", "--pace", "max", "--format", "jsonl", home=tmp_path, stdout=full
        )
        _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "; 30 records lost" in err
    assert "30 records are lost, or may be" in err


def test_a_reader_that_has_gone_has_lost_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("run", "--camera", "demo?frames=300", "--format", "jsonl", home=tmp_path, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
