#!/usr/bin/env python3
"""Train the demo network on procedurally rendered road signs and export it as ONNX.

Needs the packages of tools/requirements-train.txt, with this project installed in the same environment. One CPU core
trains, a second one renders. The network in the package was made by this script with its defaults (see
engines/mnv2_engines/demo/MODEL_CARD.md). The recipe and every scene follow from the seed; how many scenes are seen
depends on the machine's speed, so two runs agree in accuracy, not in bits.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from demo_data import (
    INPUT_SIZE,
    LARGE_SIZE,
    TEST_FILM,
    TEST_SCENES,
    TRAINING_FILM,
    VALIDATION_FILM,
    Images,
    Labels,
    moved,
    render_chunks,
    render_set,
)
from demo_network import MobileNetV2
from mnv2_edge.demo import DEFAULT_SIZE, SIGN_NAMES
from scene_pool import ScenePool

WIDTH = 0.35
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.02
WARM_UP = 0.03
EMA_DECAY = 0.998
LABEL_SMOOTHING = 0.05
POOL_SCENES = 60_000


@dataclass
class Progress:
    """What has been done so far, kept in the checkpoint."""

    seconds: float = 0.0
    steps: int = 0
    scenes: int = 0


def main() -> None:
    """Train, checkpoint and export until the time is used up, then measure on fresh renders."""
    args = _parser().parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    checkpoint = args.output / "checkpoint.pt"

    model = MobileNetV2(len(SIGN_NAMES), WIDTH)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    average = AveragedModel(model, avg_fn=_moving_average, use_buffers=True)
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=LEARNING_RATE)
    progress = Progress()
    if args.resume:
        saved = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        progress = Progress(**saved["progress"])
        print(f"resumed {checkpoint}: {progress}", flush=True)

    def save() -> None:
        partial = checkpoint.with_suffix(".partial")
        state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save({**state, "progress": asdict(progress)}, partial)
        partial.replace(checkpoint)

    validation = render_set(VALIDATION_FILM, 600)
    print(f"training for {args.minutes:g} min, seed {args.seed}", flush=True)
    with closing(ScenePool(render_chunks, TRAINING_FILM + args.seed, progress.scenes, POOL_SCENES)) as pool:
        pool.wait_for(2_048)
        while progress.seconds < 60.0 * args.minutes:
            until = min(60.0 * args.minutes, progress.seconds + 60.0 * args.export_every)
            loss = _train(model, average, optimizer, pool, progress, until, 60.0 * args.minutes, args.seed)
            save()
            export_onnx(average.module, args.output / "demo.onnx")
            right = accuracy(average.module, *validation)
            print(
                f"{progress.seconds / 60:.1f} min, {progress}: loss {loss:.4f}, {100 * right:.2f} % right", flush=True
            )
    write_metrics(average.module, progress, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/demo"),
        help="for checkpoint.pt, demo.onnx, metrics.json (%(default)s)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=24.0,
        help="training time, earlier runs included; the rate follows it (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the weights, the scenes and the batches (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="for PyTorch; one more core renders (%(default)s)")
    parser.add_argument(
        "--export-every",
        type=float,
        default=2.0,
        metavar="MIN",
        help="checkpoint and validate this often (%(default)s)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from OUTPUT/checkpoint.pt; keep --minutes and --seed"
    )
    return parser


def _parameter_groups(model: nn.Module) -> list[dict[str, object]]:
    """Decay the weights of convolutions and the classifier; leave BatchNorm and biases alone."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]


def _moving_average(average: torch.Tensor, current: torch.Tensor, updates: torch.Tensor | int) -> torch.Tensor:
    """Return the exponential moving average; it forgets fast at first, so that the random start does not linger."""
    decay = min(EMA_DECAY, (1.0 + float(updates)) / (10.0 + float(updates)))
    return average + (current - average) * (1.0 - decay)


def learning_rate(fraction: float) -> float:
    """Return the rate after a fraction of the training time: linear warm-up, then half a cosine down to zero."""
    if fraction < WARM_UP:
        return LEARNING_RATE * (0.05 + 0.95 * fraction / WARM_UP)
    return LEARNING_RATE * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (fraction - WARM_UP) / (1.0 - WARM_UP))))


def _train(
    model: nn.Module,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    pool: ScenePool,
    progress: Progress,
    until_seconds: float,
    total_seconds: float,
    seed: int,
) -> float:
    """Train until `until_seconds` of training time; return the mean loss."""
    rng = np.random.default_rng([seed, progress.steps])
    criterion = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    model.train()
    total, steps = 0.0, 0
    while progress.seconds < until_seconds:
        begun = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress.seconds / total_seconds)
        images, labels = pool.batch(rng, BATCH)
        images = moved(images, rng)
        gains = torch.from_numpy(rng.uniform(0.85, 1.15, (BATCH, 1, 1, 1)).astype(np.float32))
        loss = criterion(model((as_input(images) + 1.0) * gains - 1.0), torch.from_numpy(labels))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        pool.refresh()
        total, steps = total + float(loss.detach()), steps + 1
        progress.steps += 1
        progress.scenes = pool.scenes
        progress.seconds += time.monotonic() - begun
    return total / max(1, steps)


def as_input(images: Images) -> torch.Tensor:
    """Return RGB uint8 (n, 96, 96, 3) as the network takes it: (x - 127.5) / 127.5, (n, 3, 96, 96), channels last."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5)


def predict(model: nn.Module, images: Images) -> Labels:
    """Return the class ids that the network gives."""
    model.eval()
    with torch.inference_mode():
        parts = [model(as_input(images[first : first + 100])).argmax(1).numpy() for first in range(0, len(images), 100)]
    return np.concatenate(parts)


def accuracy(model: nn.Module, images: Images, labels: Labels) -> float:
    """Return the share of images whose class the network gets right."""
    return float((predict(model, images) == labels).mean())


def export_onnx(model: nn.Module, path: Path) -> None:
    """Write the network in evaluation mode as ONNX, opset 17, `input` [1,3,96,96] -> `logits` [1,12]."""
    model.eval()
    partial = path.with_suffix(".partial")
    example = torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE)
    torch.onnx.export(
        model, (example,), partial, input_names=["input"], output_names=["logits"], opset_version=17, dynamo=False
    )
    partial.replace(path)


def write_metrics(model: nn.Module, progress: Progress, args: argparse.Namespace) -> None:
    """Measure on renders never seen, at both sizes, and write what the model card quotes to metrics.json."""
    images, labels = render_set(TEST_FILM, TEST_SCENES)
    large = render_set(TEST_FILM, TEST_SCENES, LARGE_SIZE)
    predictions = predict(model, images)
    right = predictions == labels
    per_class = {name: float(right[labels == class_id].mean()) for class_id, name in enumerate(SIGN_NAMES)}
    mistakes = zip(labels[~right], predictions[~right], strict=True)
    metrics = {
        "test_scenes": TEST_SCENES,
        f"accuracy_{DEFAULT_SIZE[0]}x{DEFAULT_SIZE[1]}": float(right.mean()),
        f"accuracy_{LARGE_SIZE[0]}x{LARGE_SIZE[1]}": accuracy(model, *large),
        "accuracy_per_class": per_class,
        "mistakes": Counter(f"{SIGN_NAMES[truth]} as {SIGN_NAMES[said]}" for truth, said in mistakes),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "progress": asdict(progress),
        "seed": args.seed,
        "minutes": args.minutes,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
    }
    path = args.output / "metrics.json"
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
