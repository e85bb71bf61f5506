#!/usr/bin/env python3
"""Train the demo's detector or segmenter on rendered streets and export it as ONNX.

Needs the packages of tools/requirements-train.txt, with this project installed in the same environment. It starts from
the demo classifier in the package. The networks in the package were made by this script with its defaults (see the
model cards beside them); how many scenes are seen depends on the machine's speed, so two runs agree in accuracy, not in
bits.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from demo_data import TRAINING_FILM, VALIDATION_FILM
from mnv2_edge.demo import SIGN_NAMES
from mnv2_engines.demo import demo_engine_path
from scene_pool import ScenePool
from street_data import INPUT_HEIGHT, INPUT_WIDTH, Boxes, Images, render_chunks, render_set
from street_network import BOX_SCALES, Detector, Segmenter, anchors, warm_start
from train_demo import _moving_average, _parameter_groups

WIDTH = 0.35
BATCH = 32
LEARNING_RATE = 3e-3
WARM_UP = 0.03
POOL_SCENES = 12_000
FOCAL_GAMMA = 2.0
FOCAL_ALPHA = 0.5
MATCHED, UNMATCHED = 0.5, 0.4

Loss = Callable[[nn.Module, torch.Tensor, tuple[NDArray[Any], ...]], torch.Tensor]


def main() -> None:
    """Train until the time is used up, then export."""
    args = _parser().parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    model: nn.Module
    if args.task == "detect":
        model, loss_of = Detector(len(SIGN_NAMES), WIDTH), detection_loss(anchors())
        np.save(args.output / "demo-detect-anchors.npy", _corners(anchors()))
    else:
        model, loss_of = Segmenter(len(SIGN_NAMES), WIDTH), segmentation_loss
    images, boxes, masks = render_set(VALIDATION_FILM, 200)
    warm_start(model.features, demo_engine_path().with_suffix(".onnx"), as_input(images[:128]))  # type: ignore[arg-type]
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    average = AveragedModel(model, avg_fn=_moving_average, use_buffers=True)
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=LEARNING_RATE)
    rng = np.random.default_rng(args.seed)
    seconds, steps, shown = 0.0, 0, 60.0
    with closing(ScenePool(render_chunks, TRAINING_FILM + args.seed, 0, POOL_SCENES)) as pool:
        pool.wait_for(1_024)
        while seconds < 60.0 * args.minutes:
            begun = time.monotonic()
            fraction = seconds / (60.0 * args.minutes)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(fraction)
            batch = pool.batch(rng, BATCH)
            model.train()
            loss = loss_of(model, as_input(batch[0]), batch[1:])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            average.update_parameters(model)
            pool.refresh()
            steps += 1
            seconds += time.monotonic() - begun
            if seconds >= shown or seconds >= 60.0 * args.minutes:
                shown += 120.0
                average.module.eval()
                with torch.inference_mode():
                    quality = judge(average.module, images, boxes, masks)
                print(
                    f"{seconds / 60:.1f} min, {steps} steps, {pool.scenes} scenes: loss {float(loss.detach()):.4f}, "
                    f"{quality}",
                    flush=True,
                )
                export_onnx(average.module, args.output / f"demo-{args.task}.onnx")
                torch.save(average.module.state_dict(), args.output / f"demo-{args.task}.pt")
        facts = {
            "steps": steps,
            "scenes": pool.scenes,
            "minutes": args.minutes,
            "seed": args.seed,
            "validation": quality,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        }
    (args.output / f"demo-{args.task}-metrics.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=["detect", "segment"], required=True)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="for checkpoint and ONNX (%(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the weights, the scenes and the batches (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="for PyTorch; one more core renders (%(default)s)")
    return parser


def learning_rate(fraction: float) -> float:
    """Return the rate after a fraction of the training time: linear warm-up, then half a cosine down to zero."""
    if fraction < WARM_UP:
        return LEARNING_RATE * (0.05 + 0.95 * fraction / WARM_UP)
    return LEARNING_RATE * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (fraction - WARM_UP) / (1.0 - WARM_UP))))


def as_input(images: Images) -> torch.Tensor:
    """Return RGB uint8 (n, 144, 192, 3) as the network takes it: (x - 127.5) / 127.5, (n, 3, 144, 192)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5)


def detection_loss(all_anchors: NDArray[np.float32]) -> Loss:
    """Return the SSD loss with focal loss (arXiv 1708.02002) for the classes."""

    def loss_of(model: nn.Module, pictures: torch.Tensor, truth: tuple[NDArray[Any], ...]) -> torch.Tensor:
        matched = [match(all_anchors, signs) for signs in truth[0]]
        classes = torch.from_numpy(np.stack([part[0] for part in matched]))
        codes = torch.from_numpy(np.stack([part[1] for part in matched]))
        boxes, logits = model.raw(pictures)  # type: ignore[operator]
        positive, judged = classes >= 0, classes > -2
        wanted = torch.zeros_like(logits)
        wanted[positive] = functional.one_hot(classes[positive], logits.shape[2]).float()
        entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        right = torch.exp(-entropy)
        weight = torch.where(wanted > 0, FOCAL_ALPHA, 1.0 - FOCAL_ALPHA) * (1.0 - right) ** FOCAL_GAMMA
        count = max(1, int(positive.sum()))
        class_loss = (weight * entropy)[judged].sum() / count
        box_loss = functional.smooth_l1_loss(boxes[positive], codes[positive], reduction="sum") / count
        return class_loss + 0.5 * box_loss

    return loss_of


def match(all_anchors: NDArray[np.float32], signs: Boxes) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each anchor's class (-1: background, -2: neither) and box code.

    An anchor belongs to the sign that it overlaps by 0.5 or more; every sign has its best anchor at least.
    """
    classes = np.full(len(all_anchors), -1, np.int64)
    codes = np.zeros((len(all_anchors), 4), np.float32)
    signs = signs[signs[:, 0] >= 0]
    if not len(signs):
        return classes, codes
    overlaps = iou(_corners(all_anchors), signs[:, 1:])
    best, place = overlaps.max(1), overlaps.argmax(1)
    classes[best >= UNMATCHED] = -2
    favourites = overlaps.argmax(0)
    place[favourites] = np.arange(len(signs))
    positive = best >= MATCHED
    positive[favourites] = True
    rows = signs[place[positive]]
    classes[positive] = rows[:, 0].astype(np.int64)
    centre, size = (rows[:, 1:3] + rows[:, 3:5]) / 2, rows[:, 3:5] - rows[:, 1:3]
    mine = all_anchors[positive]
    codes[positive] = np.concatenate([(centre - mine[:, :2]) / mine[:, 2:], np.log(size / mine[:, 2:])], 1)
    codes *= BOX_SCALES
    return classes, codes


def iou(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the overlap of every box (top, left, bottom, right) with every other, (n, m)."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (some, others)]
    return np.asarray(both / (areas[0][:, None] + areas[1][None] - both), np.float32)


def segmentation_loss(model: nn.Module, pictures: torch.Tensor, truth: tuple[NDArray[Any], ...]) -> torch.Tensor:
    """Return cross entropy over pixels plus a soft Dice loss over the classes that are there."""
    masks = torch.from_numpy(truth[1].astype(np.int64))
    logits = model(pictures)
    entropy = functional.cross_entropy(logits, masks)
    shares = logits.softmax(1)
    wanted = functional.one_hot(masks, logits.shape[1]).permute(0, 3, 1, 2).float()
    both, sums = (shares * wanted).sum((0, 2, 3)), shares.sum((0, 2, 3)) + wanted.sum((0, 2, 3))
    dice = 1.0 - (2.0 * both / sums.clamp(min=1.0))[wanted.sum((0, 2, 3)) > 0].mean()
    return entropy + 0.5 * dice


def judge(model: nn.Module, images: Images, boxes: Boxes, masks: Images) -> str:
    """Say how good the network is on pictures that it was not trained on; a rough measure, for whoever watches."""
    parts = range(0, len(images), 50)
    if isinstance(model, Detector):
        found = wanted = given = 0
        for first in parts:
            codes, scores = (part.numpy() for part in model(as_input(images[first : first + 50])))
            for code, score, signs in zip(codes, scores, boxes[first : first + 50], strict=True):
                there = signs[signs[:, 0] >= 0]
                kept = _suppress(_decode(code), score)
                given, wanted = given + len(kept), wanted + len(there)
                for sign in there:
                    found += any(
                        class_id == sign[0] and iou(box[None], sign[None, 1:])[0, 0] >= 0.5 for class_id, box in kept
                    )
        return f"found {found} of {wanted}, gave {given}"
    count = len(SIGN_NAMES) + 1
    confusion = np.zeros((count, count), np.int64)
    for first in parts:
        said = model(as_input(images[first : first + 50])).argmax(1).numpy()
        pairs = masks[first : first + 50].astype(np.int64) * count + said
        confusion += np.bincount(pairs.ravel(), minlength=count * count).reshape(count, count)
    ious = confusion.diagonal() / (confusion.sum(0) + confusion.sum(1) - confusion.diagonal())
    return f"mean IoU {ious.mean():.4f}, worst {ious.min():.4f}"


def _corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def _decode(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    mine, codes = anchors(), codes / np.array(BOX_SCALES, np.float32)
    return _corners(np.concatenate([codes[:, :2] * mine[:, 2:] + mine[:, :2], np.exp(codes[:, 2:]) * mine[:, 2:]], 1))


def _suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[tuple[int, NDArray[np.float32]]]:
    """Return the best boxes with a score of 0.5 or more; of two that overlap only the better one."""
    kept: list[tuple[int, NDArray[np.float32]]] = []
    best = scores.max(1)
    for place in np.argsort(-best):
        if best[place] < 0.5:
            break
        if all(iou(boxes[place][None], box[None])[0, 0] < 0.5 for _, box in kept):
            kept.append((int(scores[place].argmax()), boxes[place]))
    return kept


def export_onnx(model: nn.Module, path: Path) -> None:
    """Write the network in evaluation mode as ONNX, opset 17."""
    model.eval()
    partial = path.with_suffix(".partial")
    outputs = ["boxes", "scores"] if isinstance(model, Detector) else ["logits"]
    example = torch.zeros(1, 3, INPUT_HEIGHT, INPUT_WIDTH)
    torch.onnx.export(
        model, (example,), partial, input_names=["input"], output_names=outputs, opset_version=17, dynamo=False
    )
    partial.replace(path)


if __name__ == "__main__":
    main()
