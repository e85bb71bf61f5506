"""Measure the age of results: with an engine slower than the camera over minutes, and with 1, 2, 4 and 8 cameras.

    python benchmarks/latency.py                      # 5 minutes and four times 20 s
    python benchmarks/latency.py --seconds 20 --scale-seconds 5

Cameras are synthetic: 640x480 at 30 frames/s, stamped at the moment at which a sensor would have been read. The first
part's engine takes 100 ms and nothing of the processor; the second's is the demo network through LiteRT on one thread.
Exits with 1 when the age at publish is above 150 ms (p99) or its last third above the first by more than 10 ms.
"""

import argparse
import contextlib
import os
import platform
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np

from mnv2_edge.app import open_network
from mnv2_edge.config.model import EngineConfig, TaskConfig
from mnv2_edge.demo import render
from mnv2_edge.environment import read_environment
from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.meter import Percentiles
from mnv2_edge.pipeline.pipeline import Network, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import Record, Result
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_engines.backends import BackendReport
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.predictions import Findings
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, Quantization, TensorArray, TensorSpec, UInt8Array

CAMERA_FPS = 30.0
ENGINE_S = 0.1
P99_LIMIT_MS = 150.0
DRIFT_LIMIT_MS = 10.0
SIZE = (640, 480)


class SyntheticCamera:
    """Give pictures that are drawn already, at the rate of a camera."""

    live = True
    endless = True
    skipped = 0

    def __init__(self, pictures: Sequence[UInt8Array], source_id: str) -> None:
        self._pictures = pictures
        self._source_id = source_id
        self._pacer = Pacer(CAMERA_FPS)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while (due_ns := self._pacer.wait()) is not None:
            yield Frame(self._pictures[index % len(self._pictures)], "RGB", index, due_ns, self._source_id)
            index += 1

    def close(self) -> None:
        self._pacer.stop()


class SlowEngine:
    """Take a while for every frame, as an accelerator does: the processor is free meanwhile."""

    input_spec = TensorSpec("input", (1, 224, 224, 3), "uint8", "NHWC", Quantization(1.0, 0))
    output_specs = (TensorSpec("out", (1, 1), "float32"),)

    def allocate_input(self) -> TensorArray:
        return np.zeros(self.input_spec.shape, np.uint8)

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        del buffer
        time.sleep(ENGINE_S)
        return [np.zeros((1, 1), np.float32)]

    def report(self) -> BackendReport:
        return BackendReport("sleep", "1", "CPU", accelerated=True)

    def close(self) -> None:
        return


class NoTask:
    """See nothing."""

    name = "classify"

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:
        del outputs, view
        return Findings()


class Ages:
    """Keep the ages of results by camera."""

    def __init__(self) -> None:
        self.by_camera: dict[str, list[float]] = defaultdict(list)

    def publish(self, record: Record) -> None:
        if isinstance(record, Result):
            self.by_camera[record.camera].append(record.age_ms)

    @property
    def all(self) -> list[float]:
        return [age for ages in self.by_camera.values() for age in ages]


def main() -> int:
    args = parse_arguments()
    cv2.setNumThreads(1)
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}\n"
    )
    pictures = [render(1, 20 * index, SIZE) for index in range(16)]
    steady = slow_engine(pictures, args.seconds)
    scale(pictures, args.scale_seconds, args.cameras)
    return 0 if steady else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="with the slow engine (%(default)s)")
    parser.add_argument("--scale-seconds", type=float, default=20, help="for each number of cameras (%(default)s)")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 4, 8])
    return parser.parse_args()


def slow_engine(pictures: Sequence[UInt8Array], seconds: float) -> bool:
    """Print ages by third of the time; return whether they keep their limits."""
    ages, _ = watch(Network(SlowEngine(), NoTask(), Preprocess(), "sleep"), pictures, 1, seconds)
    values = ages.all
    third = len(values) // 3
    thirds = [Percentiles.of(values[start : start + third]) for start in (0, third, 2 * third)]
    whole = Percentiles.of(values)
    print(f"one camera at {CAMERA_FPS:g} frames/s, an engine of {1000 * ENGINE_S:g} ms, {seconds:g} s: age at publish")
    for name, one in zip(("first third", "second third", "last third", "all of it"), (*thirds, whole), strict=True):
        print(f"  {name:<13}{one}")
    return whole.p99_ms <= P99_LIMIT_MS and thirds[2].p99_ms <= thirds[0].p99_ms + DRIFT_LIMIT_MS


def scale(pictures: Sequence[UInt8Array], seconds: float, counts: Sequence[int]) -> None:
    print(f"\nsynthetic cameras at {CAMERA_FPS:g} frames/s, the demo network on one thread, {seconds:g} s each")
    print("| cameras | frames/s together | least and most of one | CPU (of one core) | age p50 | p95 | p99 |")
    print("|---|---|---|---|---|---|---|")
    engine, task = EngineConfig(model=str(demo_engine_path()), threads=1), TaskConfig()
    with open_network(engine, task, None, read_environment(os.environ)) as (network, _):
        for count in counts:
            ages, cpu_s = watch(network, pictures, count, seconds)
            rates = [len(one) / seconds for one in ages.by_camera.values()]
            age = Percentiles.of(ages.all)
            print(
                f"| {count} | {sum(rates):.1f} | {min(rates):.1f}, {max(rates):.1f} | {100 * cpu_s / seconds:.0f} % "
                f"| {age.p50_ms:.1f} ms | {age.p95_ms:.1f} ms | {age.p99_ms:.1f} ms |"
            )


def watch(network: Network, pictures: Sequence[UInt8Array], count: int, seconds: float) -> tuple[Ages, float]:
    """Run so many cameras for so long; return ages and the seconds of processor time."""
    ages = Ages()
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        sources = [
            stack.enter_context(contextlib.closing(SyntheticCamera(pictures, f"camera{number}")))
            for number in range(count)
        ]
        cameras = [OpenedCamera(f"camera{number}", source) for number, source in enumerate(sources)]
        pipeline = Pipeline(cameras, network, [], observers=[ages])
        timer = threading.Timer(seconds, stop.set)
        timer.start()
        before = cpu_seconds()
        pipeline.run(stop)
        timer.cancel()
    return ages, cpu_seconds() - before


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
