"""Draw docs/images: demo.jpg, every sign and what the demo engine reads in it; street.jpg, boxes and areas."""

import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

from mnv2_edge.app import run
from mnv2_edge.config.model import CameraConfig, Config, EngineConfig, SaveConfig
from mnv2_edge.demo import FRAMES_PER_SIGN, SIGN_NAMES, render, render_street
from mnv2_edge.environment import read_environment
from mnv2_engines.backends.litert import open_litert
from mnv2_engines.demo import DemoTask, demo_engine_path
from mnv2_engines.engine.engine import read_engine
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
FILM = 21
COLUMNS = 4
CAPTION_PX = 26
STREET = (0, 30)
"""Film and frame."""
STREET_SIZE = (400, 300)


def main() -> None:
    """Render, read, draw and write."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    _write("demo.jpg", _signs())
    _write("street.jpg", np.hstack([_seen_by("detect"), _seen_by("segment")]))


def _signs() -> "np.ndarray":
    """Return a tile for every sign, as BGR."""
    engine = read_engine(demo_engine_path())
    backend = open_litert(engine.path, threads=1)
    preparer = FramePreparer(backend.input_spec, engine.preprocess or Preprocess())
    buffer = backend.allocate_input()
    tiles = []
    for scene in range(len(SIGN_NAMES)):
        pixels = render(FILM, scene * FRAMES_PER_SIGN + FRAMES_PER_SIGN // 2)
        preparer.prepare(pixels, "RGB", buffer)
        logits = backend.infer(buffer)[0][0]
        scores = np.exp(logits - logits.max())
        best = int(scores.argmax())
        tiles.append(_captioned(pixels, f"{SIGN_NAMES[best]}  {scores[best] / scores.sum():.2f}"))
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    return cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)


def _seen_by(task: "DemoTask") -> "np.ndarray":
    """Return a street as `run --save` draws it with the demo engine of that task, as BGR."""
    with tempfile.TemporaryDirectory() as folder:
        street = Path(folder) / "street.png"
        cv2.imwrite(str(street), cv2.cvtColor(render_street(*STREET, STREET_SIZE), cv2.COLOR_RGB2BGR))
        config = Config(
            version=1,
            cameras=(CameraConfig(uri=str(street)),),
            engine=EngineConfig(model=str(demo_engine_path(task))),
            sinks=(),
            save=SaveConfig(folder=str(Path(folder) / "seen")),
        )
        run(config, read_environment(os.environ))
        (picture,) = Path(folder).glob("seen/*.jpg")
        return cv2.imread(str(picture))


def _write(name: str, pixels: "np.ndarray") -> None:
    cv2.imwrite(str(IMAGES / name), pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{IMAGES / name} written, {(IMAGES / name).stat().st_size / 1e6:.2f} MB")


def _captioned(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", text: str) -> "np.ndarray":
    height, width = pixels.shape[:2]
    tile = np.full((height + CAPTION_PX, width, 3), 24, np.uint8)
    tile[:height] = pixels
    cv2.putText(tile, text, (8, height + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
