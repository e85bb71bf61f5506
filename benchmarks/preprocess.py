"""Measure how long a frame takes to become the network's input, and what each way of resizing costs in accuracy.

    python benchmarks/preprocess.py --images FOLDER --model FILE.tflite

Two tables. Speed: 1280x720 into the int8, uint8 and float buffers of a 224x224 network, one thread, the best of
interleaved rounds (the machine's own noise only ever adds). Accuracy: photographs, each at several centred crops,
against a float resize that weighs every pixel with a triangle as wide as the scale asks (what Pillow and torchvision do
with antialiasing on). Drift is how far the score of the reference's best class moves; noise of one grey level on the
reference says how much of it is the network's own nervousness. Ends with status 1 when the int8 path is over budget.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mnv2_edge.sources.files.pictures import list_pictures, read_picture
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.preprocessing.frame_path import FramePreparer, default_preprocess, fit_picture
from mnv2_engines.preprocessing.geometry import plan_view
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import DTYPES, FloatArray, Quantization, TensorSpec, UInt8Array

SHARED = Path(__file__).resolve().parents[2] / "shared"
SIDE = 224
FRACTIONS = (1.0, 0.9, 0.8, 0.7, 0.6)
BUDGET_MS = {"fast": 0.18, "antialias": 0.45}
SPECS = {
    "int8": TensorSpec("input", (1, SIDE, SIDE, 3), "int8", "NHWC", Quantization(1 / 127.5, -1)),
    "uint8": TensorSpec("input", (1, SIDE, SIDE, 3), "uint8", "NHWC", Quantization(1 / 128, 128)),
    "float32 NHWC": TensorSpec("input", (1, SIDE, SIDE, 3), "float32", "NHWC"),
    "float32 NCHW": TensorSpec("input", (1, 3, SIDE, SIDE), "float32", "NCHW"),
}

Resizer = Callable[[UInt8Array, Preprocess], UInt8Array]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=SHARED / "images")
    parser.add_argument("--model", type=Path, default=SHARED / "models/mobilenet_v2_1.0_224_quant.tflite")
    parser.add_argument("--seconds", type=float, default=4.0, help="of timing (default: %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, numpy {np.__version__}\n")
    within = print_speed(arguments.seconds)
    print_accuracy(arguments.images, arguments.model)
    return 0 if within else 1


def print_speed(seconds: float) -> bool:
    """Print the table of times; return whether int8 with the default crop keeps its budget."""
    frame = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    columns = [(policy, quality) for policy in ("center-crop", "stretch", "letterbox") for quality in BUDGET_MS]
    best = measure(
        {(name, *column): prepare_call(spec, frame, *column) for name, spec in SPECS.items() for column in columns},
        seconds,
    )
    print("| input, ms | " + " | ".join(" ".join(column) for column in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name in SPECS:
        print(f"| {name} | " + " | ".join(f"{best[(name, *column)]:.3f}" for column in columns) + " |")
    within = True
    for quality, budget in BUDGET_MS.items():
        took = best["int8", "center-crop", quality]
        within &= took <= budget
        print(f"\n{quality}: {took:.3f} ms of {budget} ms{'' if took <= budget else ': OVER BUDGET'}", end="")
    crop = np.ascontiguousarray(frame[:, 280:1000])
    took = measure({("area",): lambda: cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)}, 0.5)["area",]
    print(f"\ncv2.INTER_AREA alone, for comparison: {took:.3f} ms\n")
    return within


def prepare_call(spec: TensorSpec, frame: UInt8Array, policy: str, quality: str) -> Callable[[], object]:
    preprocess = default_preprocess(spec)
    preprocess = Preprocess(preprocess.color, preprocess.mean, preprocess.std, ResizePolicy.parse(policy))
    preparer = FramePreparer(spec, preprocess, "fast" if quality == "fast" else "antialias")
    out = np.zeros(spec.shape, DTYPES[spec.dtype])
    return lambda: preparer.prepare(frame, "BGR", out)


def measure(calls: dict[tuple[str, ...], Callable[[], object]], seconds: float) -> dict[tuple[str, ...], float]:
    """Return the best mean of ten calls each, in milliseconds, over rounds in which all take turns."""
    best = dict.fromkeys(calls, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, call in calls.items():
            began = time.perf_counter()
            for _ in range(10):
                call()
            best[key] = min(best[key], (time.perf_counter() - began) * 100.0)
    return best


def print_accuracy(images: Path, model: Path) -> None:
    frames = [(path.name, read_picture(path)) for path in list_pictures(images) if "mask" not in path.name]
    print(f"{len(frames)} photographs x {len(FRACTIONS)} crops, {model.name}\n")
    print("| resize | mean pixel difference | mean score drift | worst | same top-1 |")
    print("|---|---:|---:|---:|---:|")
    backend = LiteRtBackend(model, threads=1)
    try:
        reference = [
            (preprocess, frame, pillow_like(frame, preprocess)) for preprocess, frame in views(backend, frames)
        ]
        scores = [infer(backend, picture) for _, _, picture in reference]
        for name, resize in RESIZERS.items():
            pictures = [resize(frame, preprocess) for preprocess, frame, _ in reference]
            others = [infer(backend, picture) for picture in pictures]
            pixel = np.mean(
                [np.abs(a.astype(int) - b).mean() for a, (_, _, b) in zip(pictures, reference, strict=True)]
            )
            drift = [abs(a[b.argmax()] - b.max()) for a, b in zip(others, scores, strict=True)]
            same = sum(a.argmax() == b.argmax() for a, b in zip(others, scores, strict=True))
            print(f"| {name} | {pixel:.2f} | {np.mean(drift):.4f} | {max(drift):.3f} | {same}/{len(scores)} |")
    finally:
        backend.close()


def views(backend: LiteRtBackend, frames: list[tuple[str, UInt8Array]]) -> Iterator[tuple[Preprocess, UInt8Array]]:
    contract = default_preprocess(backend.input_spec)
    for _, frame in frames:
        for fraction in FRACTIONS:
            policy = ResizePolicy("center-crop", fraction)
            yield Preprocess(contract.color, contract.mean, contract.std, policy), frame


def infer(backend: LiteRtBackend, picture: UInt8Array) -> FloatArray:
    buffer = backend.allocate_input()
    spec = backend.input_spec
    FramePreparer(spec, default_preprocess(spec)).prepare(picture, "RGB", buffer)
    return backend.infer(buffer)[0].ravel().copy()


def pillow_like(frame: UInt8Array, preprocess: Preprocess) -> UInt8Array:
    view = plan_view(frame.shape[0], frame.shape[1], SIDE, SIDE, preprocess.resize)
    crop = frame[view.top : view.top + view.height, view.left : view.left + view.width, ::-1].astype(np.float64)
    rows, columns = triangle(view.height, SIDE), triangle(view.width, SIDE)
    exact = np.einsum("yh,hwc->ywc", rows, crop, optimize=True)
    exact = np.einsum("xw,ywc->yxc", columns, exact, optimize=True)
    return np.clip(np.floor(exact + 0.5), 0, 255).astype(np.uint8)


def triangle(source: int, target: int) -> npt.NDArray[np.float64]:
    """Return the weights, target x source, of a linear filter that is stretched when it shrinks a picture."""
    scale = source / target
    reach = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(source) + 0.5 - centres[:, np.newaxis]) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)


def area(frame: UInt8Array, preprocess: Preprocess) -> UInt8Array:
    view = plan_view(frame.shape[0], frame.shape[1], SIDE, SIDE, preprocess.resize)
    crop = frame[view.top : view.top + view.height, view.left : view.left + view.width]
    resized = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)


def noisy(frame: UInt8Array, preprocess: Preprocess) -> UInt8Array:
    reference = pillow_like(frame, preprocess)
    noise = np.random.default_rng(1).integers(-1, 2, reference.shape)
    return np.clip(reference + noise, 0, 255).astype(np.uint8)


RESIZERS: dict[str, Resizer] = {
    "fast": lambda frame, preprocess: fit_picture(frame, "BGR", SIDE, SIDE, preprocess, "fast")[0],
    "antialias": lambda frame, preprocess: fit_picture(frame, "BGR", SIDE, SIDE, preprocess, "antialias")[0],
    "cv2.INTER_AREA": area,
    "reference with noise": noisy,
}

if __name__ == "__main__":
    raise SystemExit(main())
