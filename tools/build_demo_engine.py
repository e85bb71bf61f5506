#!/usr/bin/env python3
"""Build a demo network's engine from the ONNX file beside it with `mnv2-edge build-engine`, calibrated on fresh frames.

The frames are rendered into two folders below WORK, so that they can be looked at: one for calibration, one for the
verification that follows every build. Run it after the ONNX file has changed, then judge the engine: the classifier's
with evaluate_demo.py, the others' with `mnv2-edge demo --task TASK --seed 10002 --frames 2000`, a film of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import cv2

from demo_data import CALIBRATION_FILM, VERIFICATION_FILM, frame_index
from mnv2_edge.demo import render, render_street
from mnv2_engines.demo import DEMO_TASKS, demo_engine_path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Render, build, and return the build's exit status; on 1 the engine in the package is as it was."""
    args = _parser().parse_args()
    output = demo_engine_path(args.task)
    calibration = render_folder(args.work, args.task, CALIBRATION_FILM, args.frames)
    verification = render_folder(args.work, args.task, VERIFICATION_FILM, args.frames)
    command = [sys.executable, "-m", "mnv2_edge", "build-engine", str(output.with_suffix(".onnx"))]
    command += ["--name", output.stem, "--precision", "int8"]
    command += ["--calibration", calibration, "--calibration-frames", str(args.frames), "--validation", verification]
    command += ["--output", str(output)]
    # The folders go by their names alone: the manifest keeps them, and no path of this machine belongs in a package.
    return subprocess.run(command, cwd=args.work, check=False).returncode


def render_folder(work: Path, task: str, film: int, count: int) -> str:
    """Render one frame of each of `count` scenes as PNG into a folder named after the film; return its name."""
    draw, name = (render, f"film-{film}") if task == "classify" else (render_street, f"street-{film}")
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for scene in range(count):
        pixels = cv2.cvtColor(draw(film, frame_index(scene)), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f"{scene:04}.png"), pixels)
    return folder.name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=DEMO_TASKS, default="classify", help="which network (%(default)s)")
    parser.add_argument("--frames", type=int, default=256, help="for calibration, and as many to verify (%(default)s)")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "demo", help="for the frames (build/demo)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
