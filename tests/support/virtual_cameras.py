"""Describe what libcamera's virtual cameras see: a colour chart, and a frame of the demo's film."""

from pathlib import Path

import cv2
import numpy as np

from mnv2_edge.demo import render, true_label

__all__ = ["CHART", "SIGN", "write_cameras"]

CHART = np.array([[(230, 30, 40), (40, 200, 60)], [(30, 50, 220), (128, 128, 128)]], np.uint8)
"""Red, green, blue and grey, in RGB: the quarters of the first camera's picture."""

_FILM = (1, 8)
SIGN = true_label(*_FILM)
"""What stands in the second camera's picture."""

_CAMERA = """\
"{id}":
  supported_formats:
  - {{width: 640, height: 480, frame_rates: [30]}}
  - {{width: 1280, height: 720, frame_rates: [30]}}
  frames:
    path: "{path}"
  location: CameraLocation{location}
  model: {model}
"""


def write_cameras(folder: Path, seen_as: Path) -> None:
    """Write virtual.yaml and the pictures into `folder`, which libcamera sees as `seen_as`."""
    chart = np.kron(CHART, np.ones((360, 640, 1), np.uint8))
    cameras = {  # picamera2 numbers cameras by their ids, backwards
        "b": (chart, "Front", "Chart"),
        "a": (render(*_FILM, (640, 480)), "Back", "Film"),
    }
    described = []
    for name, (picture, location, model) in cameras.items():
        (folder / name).mkdir()
        # libcamera wants a folder of JPEG files named 0.jpg, 1.jpg and so on
        cv2.imwrite(str(folder / name / "0.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
        described.append(_CAMERA.format(id=name, path=seen_as / name, location=location, model=model))
    (folder / "virtual.yaml").write_text("".join(described))
