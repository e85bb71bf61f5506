"""Measure how long a detector's and a segmenter's outputs take to become detections and areas.

    python benchmarks/decode.py

Outputs that a trained network gave for real photographs (../shared/models/ped_ref.npz: 1,917 anchors, a background and
one class), the same with the scores of 90 classes made up around them, and a class map of 513x513. One thread; the
median of many calls, garbage collection included. Ends with status 1 when 1,917 anchors take more than a millisecond.
"""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np

from mnv2_engines.engine.task_facts import DetectionFacts, SsdAnchors
from mnv2_engines.preprocessing.geometry import plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy
from mnv2_engines.tasks import MaskForm, Task, TaskOptions
from mnv2_engines.tasks.detect import make_detect
from mnv2_engines.tasks.segment import make_segment
from mnv2_engines.tensors import FloatArray, TensorSpec

SHARED = Path(__file__).resolve().parents[2] / "shared"
ANCHORS = 1917
BUDGET_MS = 1.0
FRAME = (720, 1280)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="of each (default: %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, numpy {np.__version__}\n"
    )
    reference = np.load(SHARED / "models/ped_ref.npz")
    slowest = 0.0
    for name in ("bus", "zidane"):
        outputs = [reference[f"{name}_rb"], reference[f"{name}_rc"]]
        for threshold in (0.5, 0.25):
            task = make_detector(2, threshold)
            slowest = max(slowest, report(f"{name}, person, from {threshold:g}", task, outputs, 300, arguments.calls))
        many = [outputs[0], spread(outputs[1], 91)]
        report(f"{name}, 90 classes, from 0.5", make_detector(91, 0.5), many, 300, arguments.calls)
    classes = np.zeros((1, 513, 513), np.float32)
    classes[0, 100:400, 150:350] = 15
    forms: tuple[MaskForm, ...] = ("none", "rle", "png")
    for form in forms:
        report(f"class map 513x513, mask {form}", make_segmenter(form), [classes], 513, arguments.calls // 5)
    return 0 if slowest <= BUDGET_MS else 1


def make_detector(classes: int, threshold: float) -> Task:
    outputs = (
        TensorSpec("boxes", (1, ANCHORS, 1, 4), "float32"),
        TensorSpec("scores", (1, ANCHORS, classes), "float32"),
    )
    picture = TensorSpec("input", (1, 300, 300, 3), "int8", "NHWC")
    facts = DetectionFacts(ssd=SsdAnchors())
    return make_detect(TaskOptions(outputs=outputs, input=picture, detection=facts, score_threshold=threshold))


def make_segmenter(form: MaskForm) -> Task:
    outputs = (TensorSpec("classes", (1, 513, 513), "int64"),)
    return make_segment(
        TaskOptions(outputs=outputs, input=TensorSpec("i", (1, 513, 513, 3), "int8", "NHWC"), mask=form)
    )


def spread(logits: FloatArray, classes: int) -> FloatArray:
    """Return the same scores for the first class, and low ones for the others, as a trained network gives."""
    random = np.random.default_rng(0).normal(-7.0, 1.5, (*logits.shape[:2], classes)).astype(np.float32)
    random[..., : logits.shape[2]] = logits
    return random


def report(name: str, task: Task, outputs: Sequence[FloatArray], side: int, calls: int) -> float:
    view = plan_view(*FRAME, side, side, ResizePolicy("stretch"))
    found = task.decode(outputs, view)
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        task.decode(outputs, view)
        taken.append(1e3 * (time.perf_counter() - began))
    median, late = float(np.median(taken)), float(np.percentile(taken, 95))
    print(f"{name:36} {median:7.3f} ms, p95 {late:7.3f} ms   {found.summary}")
    return median


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    raise SystemExit(main())
