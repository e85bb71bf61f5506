"""A segmenter's output becomes areas with labels and shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnv2_engines.engine.task_facts import SegmentationFacts
from mnv2_engines.errors import ContractError, EngineError, InferenceError, LabelsError
from mnv2_engines.predictions import Box, Segment
from mnv2_engines.preprocessing.geometry import plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy
from mnv2_engines.tasks import TaskOptions
from mnv2_engines.tasks.segment import Segmenter
from mnv2_engines.tensors import TensorSpec
from mnv2_engines.testing import check_task

INPUT = TensorSpec("input", (1, 8, 8, 3), "int8", "NHWC")
NUMBERS = TensorSpec("classes", (1, 8, 8), "int64")
LABELS = ("background", "bird", "cat")
WHOLE = plan_view(8, 8, 8, 8, ResizePolicy("stretch"))

QUARTER = np.zeros((8, 8), np.float32)  # a quarter bird, a sixteenth cat
QUARTER[:4, :4] = 1
QUARTER[6:, 6:] = 2


def make(output=NUMBERS, labels=LABELS, **options):
    return Segmenter(TaskOptions(outputs=(output,), input=INPUT, labels=labels, **options))


def test_shares_and_a_summary():
    found = make().decode([QUARTER[None]], WHOLE)
    assert found.segments == (Segment(1, "bird", 0.25), Segment(2, "cat", 0.0625))
    assert found.summary == "bird, cat"
    assert found.mask is None
    assert np.array_equal(found.class_map.pixels, QUARTER)
    assert found.class_map.box_px == Box(0.0, 0.0, 8.0, 8.0)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_scores_of_classes(layout):
    scores = np.stack([class_id == QUARTER for class_id in range(3)], axis=-1).astype(np.float32)[None]
    if layout == "NCHW":
        scores = np.ascontiguousarray(scores.transpose(0, 3, 1, 2))
    found = make(TensorSpec("scores", scores.shape, "float32")).decode([scores], WHOLE)
    assert found.segments == (Segment(1, "bird", 0.25), Segment(2, "cat", 0.0625))
    assert np.array_equal(found.class_map.pixels, QUARTER)


def test_a_small_map_of_scores_is_enlarged_before_it_is_compared():
    scores = np.zeros((1, 2, 2, 3), np.float32)
    scores[0, :, 0, 1] = 1.0  # left: bird by far
    scores[0, :, 1, 2] = 0.5  # right: cat by half of that, so the border lies right of the middle
    found = make(TensorSpec("scores", scores.shape, "float32")).decode([scores], WHOLE)
    assert found.class_map.pixels.shape == (8, 8)
    assert [segment.label for segment in found.segments] == ["bird", "cat"]
    assert found.segments[0].share == 0.625


@pytest.mark.parametrize("classes", [65, 150, 255])
def test_a_small_map_may_have_more_classes_than_opencv_has_channels(classes):
    scores = np.zeros((1, 4, 4, classes), np.float32)
    scores[..., classes - 1] = 1.0
    found = make(TensorSpec("scores", scores.shape, "float32"), labels=None).decode([scores], WHOLE)
    assert found.segments == (Segment(classes - 1, f"class {classes - 1}", 1.0),)


def test_only_what_the_picture_shows_counts():
    # 16x8 in 8x8: rows 2 to 5 are the picture, the rest are bars that the network takes for a cat.
    numbers = np.full((1, 8, 8), 2, np.float32)
    numbers[0, 2:6] = 0
    numbers[0, 2:6, :2] = 1
    view = plan_view(8, 16, 8, 8, ResizePolicy("letterbox"))
    found = make().decode([numbers], view)
    assert found.segments == (Segment(1, "bird", 0.25),)
    assert found.class_map.pixels.shape == (4, 8)
    assert found.class_map.box_px == Box(0.0, 0.0, 16.0, 8.0)


def test_the_map_may_be_as_large_as_the_picture():
    view = plan_view(20, 40, 8, 8, ResizePolicy("center-crop")).in_picture(10, 0, 60, 30)
    found = make(mask="rle", mask_size="source").decode([QUARTER[None]], view)
    pixels = found.class_map.pixels
    assert pixels.shape == (30, 60) == (found.mask.height, found.mask.width)
    assert found.class_map.box_px == Box(0.0, 0.0, 60.0, 30.0)
    seen = pixels[0:20, 20:40]
    assert (np.delete(pixels, np.s_[20:40], axis=1) == 255).all()
    assert (pixels[20:] == 255).all()
    assert (seen[:10, :10] == 1).all()
    assert (seen[15:, 15:] == 2).all()
    assert found.segments == (Segment(1, "bird", 0.25), Segment(2, "cat", 0.0625))


def test_thresholds_and_top_k():
    assert make(score_threshold=0.1).decode([QUARTER[None]], WHOLE).summary == "bird"
    assert make(top_k=1).decode([QUARTER[None]], WHOLE).summary == "bird"
    assert make(score_threshold=0.0).decode([np.zeros((1, 8, 8), np.float32)], WHOLE).segments == ()


def test_which_class_is_the_background():
    unnamed = make(labels=None)
    assert unnamed.decode([QUARTER[None]], WHOLE).summary == "class 0, class 1, class 2"
    stated = make(labels=None, segmentation=SegmentationFacts(background=1))
    assert stated.decode([QUARTER[None]], WHOLE).summary == "class 0, class 2"


@pytest.mark.parametrize("axes", [(1, 8, 8), (1, 8, 8, 1), (1, 1, 8, 8)])
def test_class_numbers_with_axes_of_one(axes):
    found = make(TensorSpec("classes", axes, "int32")).decode([QUARTER.reshape(axes)], WHOLE)
    assert found.summary == "bird, cat"


@settings(deadline=None)
@given(
    st.tuples(st.integers(2, 200), st.integers(2, 200)),
    st.sampled_from(["stretch", "center-crop", "center-crop:0.6", "letterbox"]),
    st.sampled_from(["network", "source"]),
)
def test_shares_add_up_and_masks_cover_what_was_seen(frame, policy, size):
    view = plan_view(*frame, 8, 8, ResizePolicy.parse(policy))
    numbers = np.random.default_rng(0).integers(0, 3, (1, 8, 8)).astype(np.float32)
    found = make(labels=None, score_threshold=0.0, mask_size=size).decode([numbers], view)
    assert sum(segment.share for segment in found.segments) == pytest.approx(1.0, abs=1e-5)
    pixels = found.class_map.pixels
    if size == "network":
        assert pixels.shape == (view.net_height, view.net_width)
        assert (found.class_map.box_px.width, found.class_map.box_px.height) == (view.width, view.height)
    else:
        assert pixels.shape == frame
        assert (pixels != 255).sum() == view.width * view.height
        assert (pixels[view.top : view.top + view.height, view.left : view.left + view.width] != 255).all()


@pytest.mark.parametrize("output", [NUMBERS, TensorSpec("s", (1, 3, 8, 8), "float32")])
@pytest.mark.parametrize("form", ["none", "rle", "png"])
def test_the_contract_is_kept(output, form):
    check_task(make(output, mask=form), (output,))


@pytest.mark.parametrize(
    ("output", "change", "error", "says"),
    [
        (TensorSpec("s", (1, 8, 8, 8), "float32"), {}, ContractError, "does not tell where its classes are"),
        (TensorSpec("s", (1, 10), "float32"), {}, ContractError, "a segmenter's is"),
        (TensorSpec("s", (1, 8, 8, 300), "float32"), {}, ContractError, "at most 255"),
        (TensorSpec("s", (1, 8, 8, 4), "float32"), {}, LabelsError, "4"),
        (NUMBERS, {"groups": {"a": ["b"]}}, ContractError, "groups"),
        (NUMBERS, {"softmax": False}, ContractError, "softmax"),
        (NUMBERS, {"top_k": 0}, ContractError, "top_k"),
    ],
)
def test_a_mistake_is_told_when_the_task_is_made(output, change, error, says):
    with pytest.raises(error, match=says):
        make(output, **change)


def test_two_outputs_are_no_segmenters():
    with pytest.raises(ContractError, match="a segmenter has one"):
        Segmenter(TaskOptions(outputs=(NUMBERS, NUMBERS), input=INPUT))


def test_the_layout_can_be_stated():
    cube = TensorSpec("s", (1, 8, 8, 8), "float32")
    scores = np.zeros(cube.shape, np.float32)
    scores[0, 5] = 1.0
    task = make(cube, labels=None, segmentation=SegmentationFacts(layout="NCHW"))
    assert task.decode([scores], WHOLE).summary == "class 5"


@pytest.mark.parametrize("number", [-1.0, 255.0, np.nan])
def test_class_numbers_out_of_range(number):
    with pytest.raises(InferenceError, match="class numbers"):
        make().decode([np.full((1, 8, 8), number, np.float32)], WHOLE)


def test_scores_that_are_no_numbers():
    spec = TensorSpec("s", (1, 8, 8, 3), "float32")
    with pytest.raises(EngineError, match="NaN"):
        make(spec).decode([np.full(spec.shape, np.nan, np.float32)], WHOLE)
