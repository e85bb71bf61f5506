"""Measure what each part of the quantiser is worth on trained networks.

    python benchmarks/quantisation.py --shared ../shared

The networks are calibrated on the even crops of the shared folder and judged on five random views (crop, mirror,
brightness) of each odd crop and photograph. Prints a Markdown table for docs/quantisation.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import mnv2_engines
from mnv2_edge.demo import FRAMES_PER_SIGN, render
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import FloatArray, UInt8Array
from mnv2_engines.tflite import QuantiserOptions, compile_model, run_float, run_int8

CLASSIFIERS = ("mobilenet_v2_1.0_224", "mobilenet_v2_1.0_224_inat_bird")
OTHERS = {"ped_ssdlite_300": 300, "deeplabv3_mnv2_dm05_pascal": 513}
DEMO = Path(mnv2_engines.__file__).parent / "demo" / "demo.onnx"
VIEWS = 5
BEST = 10
VARIANTS = {
    "all": QuantiserOptions(),
    "without bias correction": QuantiserOptions(bias_correction=False),
    "without range search": QuantiserOptions(range_search=False),
    "without equalisation": QuantiserOptions(equalise=False),
    "without float tail": QuantiserOptions(float_tail=False),
    "plain min/max per-channel": QuantiserOptions(
        bias_correction=False, range_search=False, equalise=False, float_tail=False
    ),
}


@dataclass(frozen=True)
class Judgement:
    """Say how well an int8 classifier follows its float network."""

    sqnr_db: float
    log_error: float
    """Standard deviation, over the ten likeliest classes, of the error of the log probability; mean over pictures."""
    agreement: float
    """Share of pictures with the same first class, near ties included."""


def read_rgb(path: Path) -> UInt8Array:
    """Read a picture as RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def fitted(picture: UInt8Array, size: int) -> UInt8Array:
    """Resize to a square."""
    shrink = picture.shape[0] > size
    return np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR))


def random_views(pictures: Sequence[UInt8Array], size: int) -> list[UInt8Array]:
    """Return crops of 55 to 100 % of the shorter side, half of them mirrored, 0.7 to 1.25 times as bright."""
    rng = np.random.default_rng(1)
    views = []
    for picture in pictures:
        height, width = picture.shape[:2]
        for _ in range(VIEWS):
            side = int(rng.uniform(0.55, 1.0) * min(height, width))
            top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
            view = fitted(picture[top : top + side, left : left + side], size)
            view = view[:, ::-1] if rng.random() < 0.5 else view
            bright = np.clip(view.astype(np.float32) * rng.uniform(0.7, 1.25), 0, 255)
            views.append(np.ascontiguousarray(bright, dtype=np.uint8))
    return views


def demo_frames(film: int, count: int) -> list[UInt8Array]:
    """Render frames of different scenes at the demo network's size: the largest centred square."""
    frames = [render(film, scene * FRAMES_PER_SIGN) for scene in range(count)]
    side = min(frames[0].shape[:2])
    top, left = (frames[0].shape[0] - side) // 2, (frames[0].shape[1] - side) // 2
    return [fitted(np.ascontiguousarray(frame[top : top + side, left : left + side]), 96) for frame in frames]


def probabilities(outputs: FloatArray) -> FloatArray:
    """Apply softmax to outputs that are logits."""
    if outputs.min() >= 0.0:
        return outputs
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def judge(exact: FloatArray, rounded: FloatArray) -> Judgement:
    """Compare probabilities, [pictures, classes] each."""
    sqnr = 10 * np.log10(np.square(exact).sum(axis=1) / np.square(exact - rounded).sum(axis=1))
    best = np.argsort(exact, axis=1)[:, -BEST:]
    logs = [np.log(np.maximum(np.take_along_axis(p, best, axis=1), 1e-8)) for p in (exact, rounded)]
    same = exact.argmax(axis=1) == rounded.argmax(axis=1)
    return Judgement(float(sqnr.mean()), float((logs[1] - logs[0]).std(axis=1).mean()), float(same.mean()))


def print_classifier(title: str, model: Path, calibration: Sequence[UInt8Array], judged: Sequence[UInt8Array]) -> None:
    """Print a row per variant."""
    for variant, options in VARIANTS.items():
        start = time.process_time()
        compiled = compile_model(model, pictures=calibration, preprocess=Preprocess(), options=options)
        seconds = time.process_time() - start
        exact, rounded = (
            probabilities(np.array([outputs[0][0] for outputs in run(compiled, judged)]))
            for run in (run_float, run_int8)
        )
        found = judge(exact, rounded)
        share = f"{100 * found.agreement:.1f} %"
        print(
            f"| {title} | {variant} | {found.sqnr_db:.2f} | {found.log_error:.4f} | {share} | {seconds:.1f} |",
            flush=True,
        )


def print_other(title: str, model: Path, calibration: Sequence[UInt8Array], judged: Sequence[UInt8Array]) -> None:
    """Print a row per variant, for networks whose outputs are not classes."""
    for variant, options in VARIANTS.items():
        compiled = compile_model(model, pictures=calibration, preprocess=Preprocess(), options=options)
        exact, rounded = (list(zip(*run(compiled, judged), strict=True)) for run in (run_float, run_int8))
        shown = []
        for spec, a, b in zip(compiled.outputs, map(np.array, exact), map(np.array, rounded), strict=True):
            if spec.dtype == "int32":
                shown.append(f"{spec.name} {100 * float((a == b).mean()):.2f} % equal")
            else:
                shown.append(f"{spec.name} {10 * np.log10(np.square(a).sum() / np.square(a - b).sum()):.2f} dB")
        print(f"| {title} | {variant} | {', '.join(shown)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    shared: Path = parser.parse_args().shared
    crops = [read_rgb(path) for path in sorted((shared / "calibration").glob("*.png"))]
    photographs = [read_rgb(path) for path in sorted((shared / "images").glob("*.jpg"))]
    views = random_views([*crops[1::2], *photographs], 224)
    print(f"{len(views)} views\n\n| network | quantiser | SQNR dB | log error | same first class | build, CPU s |")
    print("|---|---|---|---|---|---|")
    print_classifier("demo", DEMO, demo_frames(10_003, 50), demo_frames(10_004, 300))
    for name in CLASSIFIERS:
        print_classifier(name, shared / "models" / f"{name}.onnx", [fitted(crop, 224) for crop in crops[::2]], views)
    print("\n| network | quantiser | outputs |\n|---|---|---|")
    for name, size in OTHERS.items():
        calibration, judged = ([fitted(picture, size) for picture in taken] for taken in (crops[::4], photographs))
        print_other(name, shared / "models" / f"{name}.onnx", calibration, judged)


if __name__ == "__main__":
    main()
