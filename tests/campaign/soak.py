"""One `run` with four cameras, every frame to a real broker, watched for what grows."""

import contextlib
import itertools
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from campaign.slope import Slope, theil_sen
from mnv2_edge.demo import render
from support.command import COMMAND, environment
from support.mjpeg_server import MjpegServer
from support.mosquitto import Mosquitto

_EVERY_S = 5.0
_FPS = 4.0
_LEAST = 8
_SETTLED = 0.25
"""The part of the time that is not judged: caches fill, allocators find their size."""

_JUDGED_FROM_S = 1500.0
"""A shorter soak says nothing about memory."""

_CONFIG = """\
version: 1
device: {{name: soak}}
cameras:
  - {{id: north, uri: '{first}', max_rate: 4}}
  - {{id: east, uri: '{second}', max_rate: 4}}
  - {{id: south, uri: '{third}', max_rate: 4}}
  - {{id: west, uri: '{fourth}', max_rate: 4}}
engine: {{threads: 1}}
sinks:
  - mqtt: {{uri: '{broker}', every: frame}}
"""


@dataclass(frozen=True)
class Sample:
    """What the process held at one moment."""

    seconds: float
    rss_kib: int
    fds: int
    threads: int


@dataclass(frozen=True)
class Soaked:
    """Everything that one soak measured; slopes are KiB, descriptors and threads an hour."""

    samples: list[Sample]
    rss: Slope
    fds: Slope
    threads: Slope
    results: int
    status: int

    def grows(self) -> list[str]:
        """Say of each curve that its slope's interval lies above 0; memory fills at first, so not that of a taste."""
        slopes = {"fds": self.fds, "threads": self.threads}
        if self.samples[-1].seconds >= _JUDGED_FROM_S:
            slopes["RSS (KiB)"] = self.rss
        return [
            f"{name} grows by {slope.value:.1f} an hour, {slope.low:.1f} to {slope.high:.1f}"
            for name, slope in slopes.items()
            if slope.low > 0
        ]


def measure(pid: int) -> tuple[int, int, int]:
    """Return resident memory in KiB, open files and threads of a process; zeros once it has ended."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    if "VmRSS" not in status:
        return 0, 0, 0
    return int(status["VmRSS"].split()[0]), sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), int(status["Threads"])


def judge(samples: list[Sample], results: int, status: int) -> Soaked:
    """Fit lines through what was measured once the process had settled."""
    begin = samples[-1].seconds * _SETTLED
    late = [sample for sample in samples if sample.seconds >= begin]
    hours = [sample.seconds / 3600 for sample in late]
    return Soaked(
        samples,
        theil_sen(hours, [sample.rss_kib for sample in late]),
        theil_sen(hours, [sample.fds for sample in late]),
        theil_sen(hours, [sample.threads for sample in late]),
        results,
        status,
    )


@contextlib.contextmanager
def _cameras() -> Iterator[list[str]]:
    scenes = [cv2.imencode(".jpg", cv2.cvtColor(render(8, 9 * n), cv2.COLOR_RGB2BGR))[1].tobytes() for n in range(40)]
    servers = [MjpegServer(fps=_FPS) for _ in range(4)]
    for place, server in enumerate(servers):
        server.pictures = itertools.cycle(scenes[place * 10 :] + scenes[: place * 10])
    try:
        yield [server.url for server in servers]
    finally:
        for server in servers:
            server.kill()


def soak(
    folder: Path, minutes: float, told: Callable[[str], None] = print, command: tuple[str, ...] = COMMAND
) -> Soaked:
    """Run for so long and return what was measured; `folder` keeps samples.jsonl and the log."""
    folder.mkdir(parents=True, exist_ok=True)
    broker = Mosquitto(folder)
    broker.start()
    samples: list[Sample] = []
    try:
        with _cameras() as cameras, (folder / "run.log").open("w") as log, (folder / "samples.jsonl").open("w") as kept:
            config = folder / "soak.yaml"
            first, second, third, fourth = cameras
            config.write_text(_CONFIG.format(first=first, second=second, third=third, fourth=fourth, broker=broker.uri))
            listener = broker.subscribe("mnv2-edge/+/+/result")
            process = subprocess.Popen(
                [*command, "run", "--config", str(config)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment(folder),
            )  # fmt: skip
            results = 0
            began = time.monotonic()
            try:
                while (seconds := time.monotonic() - began) < minutes * 60:
                    time.sleep(min(_EVERY_S, minutes * 60 / 20))
                    if process.poll() is not None:
                        break
                    sample = Sample(round(time.monotonic() - began, 1), *measure(process.pid))
                    samples.append(sample)
                    kept.write(json.dumps(sample.__dict__) + "\n")
                    kept.flush()
                    results += len(listener.messages)
                    listener.messages.clear()
                    if len(samples) % 60 == 0:
                        told(f"soak: {seconds / 60:.0f} min, {sample.rss_kib} KiB, {sample.fds} fds, {results} results")
                process.send_signal(signal.SIGTERM)
                status = process.wait(30)
            finally:
                process.kill()
                process.wait()
                listener.close()
    finally:
        broker.kill()
    if len(samples) < _LEAST:
        raise RuntimeError(f"the run ended early, with {status}: {(folder / 'run.log').read_text()[-400:]}")
    return judge(samples, results, status)
