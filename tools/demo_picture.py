"""Draw docs/images/demo.jpg: a scene of every sign, and what the demo engine reads in it."""

from pathlib import Path

import cv2
import numpy as np

from mnv2_edge.scenes import FRAMES_PER_SIGN, SIGN_NAMES, render
from mnv2_engines.backends.litert import open_litert
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.engine import read_engine
from mnv2_engines.frame_path import FramePreparer
from mnv2_engines.preprocess import Preprocess

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "demo.jpg"
FILM = 21
COLUMNS = 4
CAPTION_PX = 26


def main() -> None:
    """Render, read, draw and write."""
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
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(OUTPUT), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{OUTPUT} written, {OUTPUT.stat().st_size / 1e6:.2f} MB")


def _captioned(pixels: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", text: str) -> "np.ndarray":
    height, width = pixels.shape[:2]
    tile = np.full((height + CAPTION_PX, width, 3), 24, np.uint8)
    tile[:height] = pixels
    cv2.putText(tile, text, (8, height + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
