"""More than the device can do: eight cameras, and a reader of stdout that dawdles."""

import itertools
import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from campaign.ledger import Failure, Ledger
from campaign.soak import measure
from mnv2_edge.demo import render
from support.command import COMMAND, environment
from support.mjpeg_server import MjpegServer

PROMISE = "eight cameras all go on, within 400 MiB, and end within 5 s of being asked, also when nobody reads stdout"
_SECONDS = 6.0
_LIMIT_KIB = 400 * 1024


def overload(
    ledger: Ledger, folder: Path, wanted: int, seed: int, until: Callable[[], bool], told: Callable[[str], None]
) -> None:
    """Overload a run so many times; every other one has a reader that stops reading."""
    folder.mkdir(parents=True, exist_ok=True)
    row = ledger.row("overload", PROMISE, wanted)
    scenes = [
        cv2.imencode(".jpg", cv2.resize(cv2.cvtColor(render(8, 40 * n), cv2.COLOR_RGB2BGR), (1280, 720)))[1].tobytes()
        for n in range(4)
    ]
    while row.tried < wanted and not until():
        servers = [MjpegServer(fps=60) for _ in range(8)]
        try:
            for server in servers:
                server.pictures = itertools.cycle(scenes)
            wrong, peak = _once(
                folder,
                [server.url for server in servers],
                random.Random(f"{seed}/{row.tried}"),
                reads=row.tried % 2 == 0,
            )
        finally:
            for server in servers:
                server.kill()
        ledger.count(row, [Failure("overload", "; ".join(wrong))] if wrong else [], mib=peak / 1024)
        told(f"overload: {row.tried} of {wanted}, {row.failed} failures")


def _once(folder: Path, urls: list[str], draw: random.Random, *, reads: bool) -> tuple[list[str], int]:
    argv = [part for url in urls for part in ("--camera", url)]
    wrong, peak = [], 0
    out = folder / "out.jsonl"
    with (folder / "log").open("w") as err, out.open("w") as file:
        process = subprocess.Popen(
            [*COMMAND, "run", *argv, "--format", "jsonl"],
            stdin=subprocess.DEVNULL, stdout=file if reads else subprocess.PIPE, stderr=err, env=environment(folder),
        )  # fmt: skip
        try:
            ends = time.monotonic() + _SECONDS + draw.uniform(0, 2)
            while time.monotonic() < ends and process.poll() is None:
                peak = max(peak, measure(process.pid)[0])
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            try:
                if process.wait(5) not in {0, 75}:
                    wrong.append(f"ended with {process.returncode}: {(folder / 'log').read_text()[-300:]}")
            except subprocess.TimeoutExpired:
                wrong.append("went on for 5 s after SIGTERM")
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
    if peak > _LIMIT_KIB:
        wrong.append(f"took {peak // 1024} MiB")
    if reads:
        cameras = {json.loads(line)["camera"] for line in out.read_text().splitlines()}
        if len(cameras) != len(urls):
            wrong.append(f"only {sorted(cameras)} gave results")
    return wrong, peak
