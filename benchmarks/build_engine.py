"""Measure `mnv2-edge build-engine`: time, memory, and what int8 loses against the float network.

    python benchmarks/build_engine.py                    # every ONNX file in the models' folder
    python benchmarks/build_engine.py --model my.onnx --calibration photos/ --judge others/

The command itself runs in a process of its own, as a user types it, `--rounds` times. Of the crops every second one
calibrates, the others and the photographs judge. Against ONNX Runtime: the float graph that the engine is compared
with, on the same pictures. Wants a quiet machine; writes nothing.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mnv2_edge.building.pictures import take_pictures
from mnv2_edge.sources.files.pictures import list_pictures
from mnv2_engines.parity import Noise
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import UInt8Array
from mnv2_engines.tflite import compile_model, read_model_interface, run_float

SHARED = Path(__file__).resolve().parents[2] / "shared"
COMPILING = ("read", "calibrate", "quantise", "write")
HEAD = (
    "network",
    "compiling s",
    "command s",
    "CPU s",
    "peak MiB",
    "float to ONNX Runtime dB",
    "int8 to float dB",
    "same top-1",
    "at least",
    "XNNPACK",
)


@dataclass(frozen=True)
class Run:
    """One call of the command."""

    seconds: float
    cpu_s: float
    """Of all threads: what a busy machine leaves comparable."""
    peak_mib: float
    told: dict[str, Any]

    @property
    def compiling_s(self) -> float:
        return sum(self.told["seconds"].get(phase, 0.0) for phase in COMPILING)


def main() -> None:
    args = parse_arguments()
    versions = f"Python {platform.python_version()}, numpy {np.__version__}"
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} cores, {versions}, "
          f"{args.threads} threads, median of {args.rounds}\n")  # fmt: skip
    rows = [HEAD]
    with tempfile.TemporaryDirectory() as folder:
        calibration, judge = split(args, Path(folder))
        # All commands first: Linux counts this process' own peak into that of a child it starts, so it must be small.
        runs = {
            model: [build(model, calibration, judge, Path(folder), args.threads) for _ in range(args.rounds)]
            for model in args.model
        }
        rows += [row(model, runs[model], against_onnx_runtime(model, judge, args.threads)) for model in args.model]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEAD))]
    for line in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = sorted((SHARED / "models").glob("*.onnx"))
    parser.add_argument("--model", type=Path, nargs="+", default=models, help="ONNX files, RGB (x - 127.5) / 127.5")
    parser.add_argument("--calibration", type=Path, help="folder of pictures (every second one of the crops)")
    parser.add_argument("--judge", type=Path, help="folder of pictures (the other crops, and the photographs)")
    parser.add_argument("--rounds", type=int, default=3, help="calls of the command (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (%(default)s)")
    args = parser.parse_args()
    if not args.model:
        parser.error("there is no ONNX file: name one with --model")
    return args


def split(args: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """Return the two folders; ours are filled with links."""
    if args.calibration and args.judge:
        return args.calibration.resolve(), args.judge.resolve()
    crops = list_pictures(SHARED / "calibration")
    photographs = [path for path in list_pictures(SHARED / "images") if path.suffix == ".jpg"]
    for name, paths in (("even", crops[::2]), ("odd", crops[1::2] + photographs)):
        (folder / name).mkdir()
        for path in paths:
            (folder / name / path.name).symlink_to(path)
    return folder / "even", folder / "odd"


def build(model: Path, calibration: Path, judge: Path, folder: Path, threads: int) -> Run:
    command = [sys.executable, "-m", "mnv2_edge", "build-engine", str(model), "--calibration", str(calibration)]
    command += ["--validation", str(judge), "--output", str(folder / "engine.tflite"), "--threads", str(threads)]
    command += ["--mean", "127.5", "--std", "127.5", "--min-sqnr", "-100", "--min-agreement", "0", "--json"]
    with (folder / "told.json").open("wb") as told:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {process.returncode}")
    return Run(
        seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads((folder / "told.json").read_text())
    )


def against_onnx_runtime(model: Path, judge: Path, threads: int) -> str:
    """Return how many dB the float outputs are above their difference to ONNX Runtime's; of classes the equal share."""
    import onnxruntime

    interface = read_model_interface(model)
    spec = interface.input
    height, width = spec.size_hw
    pictures = take_pictures(str(judge), limit=20, height=height, width=width, preprocess=Preprocess()).items
    compiled = compile_model(model, pictures=(), preprocess=Preprocess(), precision="fp32")
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    noises: list[Noise] = []
    equal: list[float] = []
    for picture, ours in zip(pictures, run_float(compiled, pictures, threads=threads), strict=True):
        theirs = session.run(None, {spec.name: planar(picture, spec.layout)})
        noises = noises or [Noise() for _ in theirs]
        for noise, wanted, made in zip(noises, theirs, ours, strict=True):
            noise.add(wanted, made)
            equal.append(float((wanted == made).mean()))
    if interface.outputs[0].dtype in {"int32", "int64"}:
        return f"{100 * np.mean(equal):.3f} %"
    return ", ".join("equal" if noise.sqnr_db is None else f"{noise.sqnr_db:.1f}" for noise in noises)


def planar(picture: UInt8Array, layout: str) -> np.ndarray:
    real = ((picture.astype(np.float32) - 127.5) / 127.5)[np.newaxis]
    return np.ascontiguousarray(real.transpose(0, 3, 1, 2)) if layout == "NCHW" else real


def row(model: Path, runs: Sequence[Run], against: str) -> tuple[str, ...]:
    facts = runs[-1].told["verification"]
    levels = ["classes" if output["holds"] == "classes" else level(output["sqnr_db"]) for output in facts["outputs"]]
    agreement = facts["agreement"]
    share = f"{agreement['same']}/{agreement['judged']} {agreement['unit']}" if agreement else "-"
    bound = f"{100 * agreement['lower_95']:.1f} %" if agreement and agreement["lower_95"] is not None else "-"
    return (
        model.stem,
        f"{statistics.median(run.compiling_s for run in runs):.2f}",
        f"{statistics.median(run.seconds for run in runs):.2f}",
        f"{statistics.median(run.cpu_s for run in runs):.2f}",
        f"{max(run.peak_mib for run in runs):.0f}",
        against,
        ", ".join(levels),
        share,
        bound,
        "one delegate" if facts["accelerated"] else "in part",
    )


def level(sqnr_db: float | None) -> str:
    return "equal" if sqnr_db is None else f"{sqnr_db:.1f}"


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
