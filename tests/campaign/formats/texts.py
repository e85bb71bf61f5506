"""Configurations, MODEL.yaml, and files of labels in every form."""

import io
import json
import random
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import yaml as pyyaml

from campaign.mutators import mutate, mutate_tree, to_json
from mnv2_engines.demo import demo_engine_path
from support.command import call

_CONFIG = {
    "version": 1,
    "device": {"name": "door", "instance": "a"},
    "cameras": [
        {
            "uri": "demo",
            "id": "door",
            "rotate": 180,
            "roi": [0.1, 0.1, 0.5, 0.5],
            "stall_s": 5,
            "max_rate": 4,
            "motion": 0.1,
        },
        {"uri": "http://camera.invalid/stream", "required": False, "password_file": "p", "flip": "both"},
    ],
    "engine": {
        "model": "birds",
        "threads": 2,
        "mean": [1, 2, 3],
        "std": [1, 2, 3],
        "color": "RGB",
        "resize": "letterbox",
    },
    "task": {
        "name": "classify",
        "top_k": 1,
        "score_threshold": 0.4,
        "groups": {"cat": ["tabby", "lion"]},
        "thresholds": {"a": 0.7},
    },
    "labels": "imagenet",
    "sinks": [{"stdout": {"format": "none"}}, {"mqtt": {"uri": "mqtts://door@broker.invalid/home", "keepalive_s": 30}}],
    "save": {"folder": "seen", "every_s": 1, "limit_mib": 256},
    "slowdown": {"heat_c": 70, "free_memory_mib": 40},
    "log": {"level": "info"},
}
_BOMBS = (
    "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{n}: &{n} [{', '.join(f'*{p}' for _ in range(9))}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "version: 1\n" + "a: " + "[" * 3000 + "]" * 3000,
    "version: 1\ncameras: &c [*c]\n",
    "version: 1\n? [a, {b: c}]\n: 1\n",
    "version: !!python/object/apply:os.system ['touch evil']\n",
    "version: 1\n<<: {cameras: [{uri: demo}]}\n",
    "version: 2001-01-01\ncameras: 0o7\n",
    "- " * 5000,
    "%YAML 9.9\n---\nversion: 1\n",
    "version: 1\n---\nversion: 1\n",
    "\ufeffversion: 1\n",
    "version: !!binary aGVsbG8=\n",
)


def prepare(samples: Path) -> None:
    """Write what is damaged, and a picture to look at."""
    (samples / "c.yaml").write_text(pyyaml.safe_dump(_CONFIG))
    done = call("config", "init", samples / "all.yaml", home=samples / "home")
    if done.returncode:
        raise RuntimeError(done.stderr)
    raw = demo_engine_path()
    shutil.copy(raw, samples / "m.tflite")
    shutil.copy(raw.with_name("demo-detect.yaml"), samples / "m.yaml")
    cv2.imwrite(str(samples / "picture.png"), np.full((48, 64, 3), 90, np.uint8))
    names = ["stop", "yield", "none", "école", "a, b"]
    (samples / "l.txt").write_text("\n".join(f"{n} {name}" for n, name in enumerate(names)))
    (samples / "l.csv").write_text("index,label\n" + "\n".join(f'{n},"{name}"' for n, name in enumerate(names)))
    (samples / "l.json").write_text(json.dumps({str(n): name for n, name in enumerate(names)}))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("labels.txt", "\n".join(names))
    (samples / "l.zip").write_bytes(archive.getvalue())


def yaml(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage a configuration, or what stands beside a model."""
    kind = draw.random()
    if kind < 0.05:
        raw = draw.choice(_BOMBS).encode()
    elif kind < 0.55:
        tree = mutate_tree(draw, _CONFIG)
        raw = to_json(tree) if draw.random() < 0.5 else pyyaml.safe_dump(tree).encode("utf-8", "surrogateescape")
    else:
        raw = mutate(draw, (samples / draw.choice(("c.yaml", "all.yaml", "m.yaml"))).read_bytes())
    if draw.random() < 0.2:
        (folder / "m.yaml").write_bytes(raw)
        shutil.copy(samples / "m.tflite", folder)
        shutil.copy(samples / "picture.png", folder)
        return ["run", "--model", "m.tflite", "--camera", "picture.png", "--max-frames", "1"]
    (folder / "c.yaml").write_bytes(raw)
    return ["config", draw.choice(("check", "show")), "c.yaml"]


def labels(draw: random.Random, samples: Path, folder: Path) -> list[str]:
    """Damage a file of labels."""
    name = draw.choice(("l.txt", "l.csv", "l.json", "l.zip"))
    raw = (samples / name).read_bytes()
    if name == "l.json" and draw.random() < 0.5:
        raw = to_json(mutate_tree(draw, json.loads(raw)))
    elif name == "l.zip" and draw.random() < 0.3:
        raw = _bomb(draw)
    else:
        raw = mutate(draw, raw)
    (folder / name).write_bytes(raw)
    shutil.copy(samples / "picture.png", folder)
    return ["run", "--camera", "picture.png", "--labels", name, "--max-frames", "1"]


def _bomb(draw: random.Random) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(
            draw.choice(("labels.txt", "../../labels.txt", "/tmp/labels.txt")), "a\n" * draw.choice((10, 30_000_000))
        )
    return archive.getvalue()
