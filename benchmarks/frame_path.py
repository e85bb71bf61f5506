"""Measure what the runtime costs on top of the bare engine: throughput, memory, start, age under load.

    python benchmarks/frame_path.py --model mobilenet_v2_1.0_224_quant.tflite --labels imagenet_labels.txt

Throughput: `run` over a 640x480 MJPG film, flat out, against a loop of nothing but `invoke()`, taking turns in one
process with one thread for the network. Memory and start: the command itself, in a process of its own. Age: a camera of
30 Hz before an engine that takes 100 ms. Wants a quiet machine with two cores.
"""

import argparse
import contextlib
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np

from mnv2_edge.app import run
from mnv2_edge.config.model import CameraConfig, Config, EngineConfig
from mnv2_edge.demo import render
from mnv2_edge.environment import Environment
from mnv2_edge.pipeline.meter import Percentiles, RunMeter
from mnv2_edge.pipeline.pipeline import Network, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import Record, Result
from mnv2_edge.sources.demo import DemoSource, Film
from mnv2_edge.sources.files.pacer import Pacer
from mnv2_engines.backends import BackendReport
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.predictions import Findings
from mnv2_engines.preprocessing.geometry import View
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, Quantization, TensorArray, TensorSpec

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


def main() -> None:
    args = parse_arguments()
    logging.disable(logging.WARNING)  # the figures alone
    versions = f"Python {platform.python_version()}, OpenCV {cv2.__version__}"
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} cores, {versions}, {args.model.name}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        film = write_film(Path(folder) / "film.avi", args.frames)
        ratios, bare, ours = throughput(args, film)
        print(f"throughput, {args.rounds} turns of {args.frames} frames, 1 thread:")
        print(f"  bare invoke()   {statistics.median(bare):7.1f} frames/s")
        print(f"  run             {statistics.median(ours):7.1f} frames/s")
        print(f"  ratio           {statistics.median(ratios):7.3f}   ({min(ratios):.3f} to {max(ratios):.3f})")
        starts, peaks = zip(*(start_and_peak(args, film) for _ in range(args.starts)), strict=True)
        print(f"start of `mnv2-edge run` to the first label: median {statistics.median(starts):.2f} s, "
              f"highest {max(starts):.2f} s ({args.starts} starts)")  # fmt: skip
        print(f"peak memory of `mnv2-edge run`: {max(peaks):.0f} MiB")
    ages = age_under_load(args.seconds)
    third = len(ages) // 3
    print(f"age at publish, 30 Hz camera, 100 ms engine, {args.seconds} s: first third {Percentiles.of(ages[:third])}; "
          f"last third {Percentiles.of(ages[-third:])}")  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHARED / "mobilenet_v2_1.0_224_quant.tflite")
    parser.add_argument("--labels", type=Path, default=SHARED / "imagenet_labels.txt")
    parser.add_argument("--frames", type=int, default=200, help="of the film (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (%(default)s)")
    parser.add_argument("--starts", type=int, default=7, help="of the command (%(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="of the slow engine (%(default)s)")
    args = parser.parse_args()
    if not args.model.is_file():
        parser.error(f"{args.model} is not there: name an int8 or uint8 classifier with --model and --labels")
    return args


def write_film(path: Path, frames: int) -> Path:
    """Write rendered scenes as 640x480 MJPG, as a USB camera sends them."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 480))
    for index in range(frames):
        writer.write(cv2.cvtColor(render(1, index, (640, 480)), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def throughput(args: argparse.Namespace, film: Path) -> tuple[list[float], list[float], list[float]]:
    bare: list[float] = []
    ours: list[float] = []
    for _ in range(args.rounds):
        bare.append(bare_rate(args.model, args.frames))
        ours.append(run_rate(args, film))
    return [our / its for our, its in zip(ours, bare, strict=True)], bare, ours


def bare_rate(model: Path, frames: int) -> float:
    """Return frames/s of a loop of `invoke()` alone, on the interpreter that the backend would use."""
    with contextlib.closing(LiteRtBackend(model, threads=1)) as backend:
        interpreter = backend._interpreter
        interpreter.set_tensor(backend._input_index, backend.allocate_input())
        interpreter.invoke()
        began = time.monotonic()
        for _ in range(frames):
            interpreter.invoke()
        return frames / (time.monotonic() - began)


def run_rate(args: argparse.Namespace, film: Path) -> float:
    meter = RunMeter()
    config = Config(
        version=1,
        cameras=(CameraConfig(uri=str(film)),),
        engine=EngineConfig(model=str(args.model), threads=1),
        labels=str(args.labels),
        sinks=({"stdout": {"format": "jsonl"}},),
    )
    with stdout_to_nowhere():
        run(config, environment(), observers=[meter])
    return meter.summary().frames_per_s


def environment() -> Environment:
    cache = Path(tempfile.gettempdir()) / "mnv2-edge-benchmark"
    return Environment(home=cache, cache=cache)


@contextlib.contextmanager
def stdout_to_nowhere() -> Iterator[None]:
    sys.stdout.flush()
    saved = os.dup(1)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - a file descriptor is needed
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def start_and_peak(args: argparse.Namespace, film: Path) -> tuple[float, float]:
    """Return seconds until the first line of the command, and its peak memory in MiB after the whole film."""
    command = [sys.executable, "-m", "mnv2_edge", "run", "--camera", str(film), "--model", str(args.model),
               "--labels", str(args.labels), "--threads", "1", "--format", "jsonl"]  # fmt: skip
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = process.stdout
    if out is None or not out.readline():
        raise SystemExit(f"{' '.join(command)} printed nothing: run it by hand")
    first = time.monotonic() - began
    while out.read(65536):
        pass
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return first, usage.ru_maxrss / 1024


class SlowBackend:
    """Take 100 ms a frame, as a large network on a small board."""

    input_spec = TensorSpec("input", (1, 96, 96, 3), "uint8", "NHWC", Quantization(1.0, 0))
    output_specs = (TensorSpec("scores", (1, 2), "float32"),)

    def allocate_input(self) -> TensorArray:
        return np.zeros(self.input_spec.shape, np.uint8)

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:  # noqa: ARG002 - only its time counts
        time.sleep(0.1)
        return [np.zeros((1, 2), np.float32)]

    def report(self) -> BackendReport:
        return BackendReport("slow", "slow", "none", accelerated=True)

    def close(self) -> None:
        pass


class NoTask:
    """See nothing."""

    name = "classify"

    def decode(self, outputs: Sequence[FloatArray], view: View) -> Findings:  # noqa: ARG002
        return Findings()


class Ages:
    """Keep the age of every result."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def publish(self, record: Record) -> None:
        if isinstance(record, Result):
            self.ms.append(record.age_ms)


def age_under_load(seconds: int) -> list[float]:
    ages = Ages()
    camera = OpenedCamera("cam", DemoSource(Film(size=(128, 96), frames=30 * seconds), "cam", Pacer(30.0)))
    network = Network(SlowBackend(), NoTask(), Preprocess(), "slow@0")
    Pipeline([camera], network, [], observers=[ages]).run()
    return ages.ms


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
