#!/usr/bin/env python3
"""Count how often a demo network or engine is right on fresh frames, through the runtime's own frame path.

FILE is demo.onnx (run by ONNX Runtime) or an engine built from it (.tflite, run by LiteRT). One frame of every scene is
judged. The default film is the one that the model card quotes: neither training nor calibration saw it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from demo_data import INPUT_SIZE, TEST_FILM, TEST_SCENES, frame_index
from mnv2_edge.demo import DEFAULT_SIZE, SIGN_NAMES, render, true_class
from mnv2_engines.backends.litert import LiteRtBackend
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.tensors import TensorArray, TensorSpec


def main() -> int:
    """Evaluate the file, print what was found as JSON, and return 1 when less than --at-least was right."""
    args = _parser().parse_args()
    cv2.setNumThreads(1)
    if args.file.suffix == ".tflite":
        preprocess = read_engine(args.file).preprocess or Preprocess()
        with closing(LiteRtBackend(args.file)) as backend:
            predictions = _predict(args, preprocess, backend.input_spec, lambda picture: backend.infer(picture)[0])
    else:
        predictions = _predict(args, Preprocess(), *_open_onnx(args.file))
    truth = np.array([true_class(args.film, frame_index(scene)) for scene in range(args.scenes)])
    wrong = predictions != truth
    mistakes = zip(truth[wrong], predictions[wrong], strict=True)
    share_right = 1.0 - float(wrong.mean())
    facts = {
        "file": args.file.name,
        "film": args.film,
        "frames": args.scenes,
        "size": "{}x{}".format(*args.size),
        "resize_quality": args.resize_quality,
        "right": int((~wrong).sum()),
        "share_right": round(share_right, 4),
        "mistakes": Counter(f"{SIGN_NAMES[sign]} as {SIGN_NAMES[said]}" for sign, said in mistakes),
    }
    print(json.dumps(facts, indent=2))
    return 0 if share_right >= args.at_least else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--film", type=int, default=TEST_FILM, help="the scenes' seed (%(default)s)")
    parser.add_argument("--scenes", type=int, default=TEST_SCENES, help="how many to judge (%(default)s)")
    parser.add_argument("--size", type=_size, default=DEFAULT_SIZE, metavar="WxH", help="of the frames (320x240)")
    parser.add_argument("--resize-quality", choices=["antialias", "fast"], default="antialias", help="(%(default)s)")
    parser.add_argument("--at-least", type=float, default=0.97, help="exit with 1 below this share (%(default)s)")
    return parser


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT, as in 640x480")
    return int(match[1]), int(match[2])


def _predict(
    args: argparse.Namespace, preprocess: Preprocess, spec: TensorSpec, infer: Callable[[TensorArray], TensorArray]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    preparer = FramePreparer(spec, preprocess, args.resize_quality)
    picture = np.zeros(spec.shape, dtype=spec.dtype)
    predictions = np.empty(args.scenes, dtype=np.int64)
    for scene in range(args.scenes):
        preparer.prepare(render(args.film, frame_index(scene), args.size), "RGB", picture)
        predictions[scene] = infer(picture).argmax()
    return predictions


def _open_onnx(path: Path) -> tuple[TensorSpec, Callable[[TensorArray], TensorArray]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    spec = TensorSpec("input", (1, 3, INPUT_SIZE, INPUT_SIZE), "float32", "NCHW")
    return spec, lambda picture: np.asarray(session.run(None, {"input": picture})[0])


if __name__ == "__main__":
    sys.exit(main())
