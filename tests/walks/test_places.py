"""Places on the whole way: a thing lies where it is in the upright picture, however the camera hangs and is cut.

A network that finds what is bright stands for a detector and a segmenter, so the truth is known to the pixel.
"""

import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnv2_edge.frames import Frame
from mnv2_edge.pipeline.pipeline import Network, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.records import Result
from mnv2_edge.sources.orientation import OrientedSource, orient
from mnv2_edge.sources.region import Region, RegionSource
from mnv2_engines.predictions import Box
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.tasks import Task, TaskOptions
from mnv2_engines.tasks.detect import make_detect
from mnv2_engines.tasks.segment import make_segment
from mnv2_engines.tensors import FloatArray, TensorArray, TensorSpec, UInt8Array
from support.fakes import EchoBackend, FilmSource, ListSink

NET = 64


class OnePicture(FilmSource):
    """Give one picture."""

    def __init__(self, pixels: UInt8Array) -> None:
        super().__init__(1)
        self.pixels = pixels

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self.pixels, "RGB", 0, time.monotonic_ns(), "cam")


class FindsBright(EchoBackend):
    """Find the box about all that is bright, and answer as TFLite_Detection_PostProcess does."""

    def __init__(self) -> None:
        super().__init__(size=NET)
        shapes = ((1, 1, 4), (1, 1), (1, 1), (1,))
        self.output_specs = tuple(TensorSpec(f"out{n}", shape, "float32") for n, shape in enumerate(shapes))

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        rows, columns = (buffer[0, :, :, 0] > 127).nonzero()
        box = np.zeros(4, np.float32)
        if rows.size:
            box[:] = [rows.min() / NET, columns.min() / NET, (rows.max() + 1) / NET, (columns.max() + 1) / NET]
        return [
            box.reshape(1, 1, 4),
            np.zeros((1, 1), np.float32),
            np.full((1, 1), 0.9, np.float32),
            np.array([float(rows.size > 0)], np.float32),
        ]


class MarksBright(EchoBackend):
    """Give every bright pixel class 1."""

    def __init__(self) -> None:
        super().__init__(size=NET)
        self.output_specs = (TensorSpec("classes", (1, NET, NET), "int64"),)

    def infer(self, buffer: TensorArray) -> Sequence[FloatArray]:
        return [(buffer[..., 0] > 127).astype(np.float32)]


def look(source: object, backend: EchoBackend, task: Task, policy: str) -> Result:
    """Send one picture down the whole way."""
    preprocess = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize=ResizePolicy.parse(policy))
    sink = ListSink()
    Pipeline([OpenedCamera("cam", source)], Network(backend, task, preprocess, "bright@0"), [sink]).run()
    (result,) = (record for record in sink.records if isinstance(record, Result))
    return result


def hang(upright: UInt8Array, rotate: int, flip: str) -> UInt8Array:
    """Return what a camera gives that has to be turned and mirrored so that `upright` comes out."""
    raw = orient(orient(upright, 0, flip), (360 - rotate) % 360, "none")
    assert np.array_equal(orient(raw, rotate, flip), upright)
    return raw


@st.composite
def cameras(draw: st.DrawFn) -> tuple[UInt8Array, tuple[int, int, int, int], int, str, Region | None, str]:
    """Draw an upright picture with a bright rectangle, how the camera hangs, what is cut, and how it is resized."""
    width, height = draw(st.integers(80, 400)), draw(st.integers(80, 400))
    left, top = draw(st.integers(0, width - 40)), draw(st.integers(0, height - 40))
    right, bottom = draw(st.integers(left + 30, width)), draw(st.integers(top + 30, height))
    upright = np.zeros((height, width, 3), np.uint8)
    upright[top:bottom, left:right] = 255
    region = None
    if draw(st.booleans()):
        share = draw(st.sampled_from([0.25, 0.5, 0.75]))
        region = Region.of((share / 4, share / 2, 1 - share, 1 - share))
    rotate, flip = draw(st.sampled_from([0, 90, 180, 270])), draw(st.sampled_from(["none", "horizontal", "vertical"]))
    policy = draw(st.sampled_from(["stretch", "center-crop", "center-crop:0.7", "letterbox"]))
    return upright, (left, top, right, bottom), rotate, flip, region, policy


@settings(max_examples=60, deadline=None)
@given(cameras())
def test_a_box_lies_where_the_thing_is_in_the_upright_picture(drawn) -> None:  # type: ignore[no-untyped-def]
    upright, (left, top, right, bottom), rotate, flip, region, policy = drawn
    height, width = upright.shape[:2]
    source = OrientedSource(OnePicture(hang(upright, rotate, flip)), rotate, flip)
    backend = FindsBright()
    task = make_detect(TaskOptions(outputs=backend.output_specs, input=backend.input_spec))
    result = look(source if region is None else RegionSource(source, region), backend, task, policy)
    cut = (0, 0, width, height) if region is None else region.box(width, height)
    assert (result.width, result.height) == (width, height)
    sides = map(float, (cut[0], cut[1], cut[2] - cut[0], cut[3] - cut[1]))
    assert result.region_px == (None if region is None else Box(*sides))

    inside = ResizePolicy.parse(policy)
    seen_w, seen_h = cut[2] - cut[0], cut[3] - cut[1]
    if inside.kind == "center-crop":
        side = min(seen_w, seen_h) * inside.fraction
        cut = (
            cut[0] + (seen_w - side) / 2, cut[1] + (seen_h - side) / 2,
            cut[0] + (seen_w + side) / 2, cut[1] + (seen_h + side) / 2,
        )  # fmt: skip
    expected = (max(left, cut[0]), max(top, cut[1]), min(right, cut[2]), min(bottom, cut[3]))
    # Two pixels of the network's picture, the edge of a resized rectangle and the rounding of the crop.
    step = 1.0 + 2.0 * max(seen_w, seen_h) / NET
    if not result.detections:
        assert min(expected[2] - expected[0], expected[3] - expected[1]) <= 2 * step
        return
    (found,) = result.detections
    edges = (found.box_px.left, found.box_px.top, found.box_px.right, found.box_px.bottom)
    assert edges == pytest.approx(expected, abs=step)
    fractions = (found.box_fraction.left * width, found.box_fraction.bottom * height)
    assert fractions == pytest.approx((edges[0], edges[3]), abs=0.01)


@settings(max_examples=30, deadline=None)
@given(cameras())
def test_a_class_map_marks_the_thing_in_the_upright_picture(drawn) -> None:  # type: ignore[no-untyped-def]
    upright, _, rotate, flip, region, policy = drawn
    source = OrientedSource(OnePicture(hang(upright, rotate, flip)), rotate, flip)
    backend = MarksBright()
    options = TaskOptions(outputs=backend.output_specs, input=backend.input_spec, mask="rle", mask_size="source")
    result = look(source if region is None else RegionSource(source, region), backend, make_segment(options), policy)
    mask = result.mask
    assert mask is not None
    pixels = np.repeat(mask.runs[0::2], mask.runs[1::2]).reshape(mask.height, mask.width)
    assert pixels.shape == upright.shape[:2]
    seen = pixels != 255
    # Nothing but the rectangle's edges, a network's pixel wide on either side, may be taken for the other class.
    truth = (upright[..., 0] > 127).astype(np.uint8)
    side = 2 * (1 + -(-max(upright.shape[:2]) // NET)) + 1
    brush = np.ones((side, side), np.uint8)
    assert (pixels[(cv2.erode(truth, brush) == 1) & seen] == 1).all()
    assert (pixels[(cv2.dilate(truth, brush) == 0) & seen] == 0).all()
    if region is not None:
        left, top, right, bottom = region.box(upright.shape[1], upright.shape[0])
        outside = np.ones(pixels.shape, bool)
        outside[top:bottom, left:right] = False
        assert not seen[outside].any()


@pytest.mark.parametrize(
    ("rotate", "flip", "expected"),
    [
        (0, "none", Box(20.0, 30.0, 60.0, 40.0)),
        # 200x100 turned clockwise is 100x200: what was at the bottom left is at the top left.
        (90, "none", Box(30.0, 20.0, 40.0, 60.0)),
        (180, "none", Box(120.0, 30.0, 60.0, 40.0)),
        (270, "none", Box(30.0, 120.0, 40.0, 60.0)),
        (0, "horizontal", Box(120.0, 30.0, 60.0, 40.0)),
        (90, "vertical", Box(30.0, 120.0, 40.0, 60.0)),
    ],
)
def test_boxes_by_hand(rotate: int, flip: str, expected: Box) -> None:
    raw = np.zeros((100, 200, 3), np.uint8)
    raw[30:70, 20:80] = 255
    backend = FindsBright()
    task = make_detect(TaskOptions(outputs=backend.output_specs, input=backend.input_spec))
    result = look(OrientedSource(OnePicture(raw), rotate, flip), backend, task, "stretch")
    (found,) = result.detections
    for side in ("left", "top", "width", "height"):
        assert getattr(found.box_px, side) == pytest.approx(getattr(expected, side), abs=4)
