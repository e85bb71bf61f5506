"""A chart, red on the left and blue on the right, through every source into every kind of network."""

import contextlib

import cv2
import numpy as np
import pytest

from mnv2_edge.frames import Frame
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.orientation import orient
from mnv2_edge.sources.usb.v4l2 import V4l2Request, V4l2Source
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tensors import DTYPES, Quantization, TensorSpec

SPECS = [
    TensorSpec("x", (1, 32, 32, 3), "int8", "NHWC", Quantization(1 / 127.5, -1)),
    TensorSpec("x", (1, 32, 32, 3), "uint8", "NHWC", Quantization(1 / 128, 128)),
    TensorSpec("x", (1, 32, 32, 3), "float32", "NHWC"),
    TensorSpec("x", (1, 3, 32, 32), "float32", "NCHW"),
    TensorSpec("x", (1, 3, 32, 32), "float16", "NCHW"),
]


def chart_bgr():
    chart = np.zeros((480, 640, 3), np.uint8)
    chart[:, :320] = (0, 0, 255)
    chart[:, 320:] = (255, 0, 0)
    return chart


def from_image(folder):
    cv2.imwrite(str(folder / "chart.png"), chart_bgr())
    return first_of(open_source(str(folder / "chart.png"), camera_id="c"))


def from_jpeg_in_a_folder(folder):
    cv2.imwrite(str(folder / "chart.jpg"), chart_bgr(), [cv2.IMWRITE_JPEG_QUALITY, 98])
    return first_of(open_source(str(folder), camera_id="c"))


def from_video(folder, name, codec):
    writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*codec), 25, (640, 480))
    for _ in range(3):
        writer.write(chart_bgr())
    writer.release()
    return first_of(open_source(str(folder / name), camera_id="c"))


def from_mjpg_video(folder):
    return from_video(folder, "chart.avi", "MJPG")


def from_lossless_video(folder):
    return from_video(folder, "chart.mkv", "FFV1")


def from_v4l2(_folder):
    class Capture:
        def read(self):
            return True, chart_bgr()

        def get(self, _prop):
            return 0.0

        def release(self):
            pass

    return first_of(V4l2Source("/dev/video0", V4l2Request(), "c", lambda _node, _request: Capture()))


def from_a_source_that_gives_rgb(_folder):
    return Frame(np.ascontiguousarray(chart_bgr()[:, :, ::-1]), "RGB", 0, 0, "c")


def from_a_camera_upside_down(folder):
    cv2.imwrite(str(folder / "chart.png"), orient(chart_bgr(), 180, "none"))
    return first_of(open_source(str(folder / "chart.png"), camera_id="c", rotate=180))


def first_of(source):
    with contextlib.closing(source):
        return next(iter(source))


@pytest.mark.parametrize(
    "make",
    [
        from_image,
        from_jpeg_in_a_folder,
        from_mjpg_video,
        from_lossless_video,
        from_v4l2,
        from_a_source_that_gives_rgb,
        from_a_camera_upside_down,
    ],
)
def test_red_arrives_red_and_left_whatever_the_network(make, tmp_path):
    frame = make(tmp_path)
    for spec in SPECS:
        for color in ("RGB", "BGR"):
            for policy in ("stretch", "center-crop"):
                preprocess = Preprocess(color=color, resize=ResizePolicy.parse(policy))
                out = np.zeros(spec.shape, DTYPES[spec.dtype])
                FramePreparer(spec, preprocess).prepare(frame.pixels, frame.color, out)
                picture = out[0] if spec.layout == "NHWC" else out[0].transpose(1, 2, 0)
                real = picture.astype(np.float64)
                if spec.quantization:
                    real = (real - spec.quantization.zero_point) * spec.quantization.scale
                red, blue = (0, 2) if color == "RGB" else (2, 0)
                left, right = real[16, 4], real[16, 27]
                assert left[red] > 0.9, (spec, color, policy)
                assert max(left[1], left[blue]) < -0.9, (spec, color, policy)
                assert right[blue] > 0.9, (spec, color, policy)
                assert max(right[1], right[red]) < -0.9, (spec, color, policy)
