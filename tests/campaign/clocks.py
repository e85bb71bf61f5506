"""Run while the wall clock jumps: no frame is lost, no interval is wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from campaign.ledger import Failure, Ledger
from support.command import environment

PROMISE = "a wall clock that jumps by ten years loses no frame, and makes no interval wrong"
_FRAMES = 20


def jump(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Run so many times on such a clock."""
    folder.mkdir(parents=True, exist_ok=True)
    row = ledger.row("clock jumps", PROMISE, wanted)
    while row.tried < wanted and not until():
        wrong = _once(folder, f"{seed}/{row.tried}")
        ledger.count(row, [Failure(f"clock:{row.tried}", wrong)] if wrong else [])
        if row.tried % 25 == 0:
            told(f"clock jumps: {row.tried} of {wanted}, {row.failed} failures")


def _once(folder: Path, seed: str) -> str:
    more = {
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])))
    }
    command = [sys.executable, "-m", "campaign.jumping", seed, "run", "--camera", "demo?fps=60", "--pace", "realtime"]
    try:
        done = subprocess.run(
            [*command, "--max-frames", str(_FRAMES), "--format", "jsonl"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            env=environment(folder, **more),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it stood still for 20 s"
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(records) != _FRAMES:
        return f"ended with {done.returncode} after {len(records)} of {_FRAMES} frames: {done.stderr[-300:]}"
    if any(not 0 <= record["age_ms"] < 5000 for record in records):
        return (
            f"ages of {min(record['age_ms'] for record in records)} to {max(record['age_ms'] for record in records)} ms"
        )
    if any(one["captured"]["monotonic_ns"] >= two["captured"]["monotonic_ns"] for one, two in pairwise(records)):
        return "time stamps of the monotonic clock go back"
    return ""
