"""The view of a frame: what is cropped, where it lands, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnv2_engines.preprocessing.geometry import View, plan_view
from mnv2_engines.preprocessing.preprocess import ResizePolicy

sides = st.integers(1, 5000)
net_sides = st.integers(1, 600)
policies = st.sampled_from(["stretch", "center-crop", "center-crop:0.875", "center-crop:0.01", "letterbox"])


@given(sides, sides, net_sides, net_sides, policies)
def test_the_view_lies_inside_and_is_never_empty(height, width, net_height, net_width, policy):
    view = plan_view(height, width, net_height, net_width, ResizePolicy.parse(policy))
    assert 0 <= view.left < view.left + view.width <= width
    assert 0 <= view.top < view.top + view.height <= height
    assert 0 <= view.net_left < view.net_left + view.net_width <= net_width
    assert 0 <= view.net_top < view.net_top + view.net_height <= net_height


@given(sides, sides, net_sides, net_sides, policies)
def test_corners_map_to_corners(height, width, net_height, net_width, policy):
    view = plan_view(height, width, net_height, net_width, ResizePolicy.parse(policy))
    assert view.to_source(view.net_left, view.net_top) == (view.left, view.top)
    right, bottom = view.to_source(view.net_left + view.net_width, view.net_top + view.net_height)
    assert right == pytest.approx(view.left + view.width)
    assert bottom == pytest.approx(view.top + view.height)


@given(sides, sides, net_sides, net_sides, policies)
def test_what_is_left_out_is_left_out_on_both_sides(height, width, net_height, net_width, policy):
    view = plan_view(height, width, net_height, net_width, ResizePolicy.parse(policy))
    for outer, start, inner in (
        (width, view.left, view.width),
        (height, view.top, view.height),
        (net_width, view.net_left, view.net_width),
        (net_height, view.net_top, view.net_height),
    ):
        assert abs(start - (outer - inner - start)) <= 1


@given(sides, sides, net_sides, net_sides)
def test_a_whole_crop_touches_two_edges_and_keeps_the_proportions(height, width, net_height, net_width):
    view = plan_view(height, width, net_height, net_width, ResizePolicy("center-crop"))
    assert view.width == width or view.height == height
    # Half a pixel of rounding on the side that does not touch; a side of less than a pixel becomes one.
    assert abs(view.width * net_height - view.height * net_width) <= max(net_height, net_width)


@given(sides, sides, net_sides, net_sides)
def test_a_letterbox_shows_the_whole_frame_as_large_as_it_fits(height, width, net_height, net_width):
    view = plan_view(height, width, net_height, net_width, ResizePolicy("letterbox"))
    assert (view.left, view.top, view.width, view.height) == (0, 0, width, height)
    assert view.net_width == net_width or view.net_height == net_height


@pytest.mark.parametrize(
    ("frame", "policy", "expected"),
    [
        ((720, 1280), "center-crop", View(280, 0, 720, 720, 0, 0, 224, 224, 1280, 720)),
        ((720, 1280), "center-crop:0.875", View(325, 45, 630, 630, 0, 0, 224, 224, 1280, 720)),
        ((720, 1280), "stretch", View(0, 0, 1280, 720, 0, 0, 224, 224, 1280, 720)),
        ((720, 1280), "letterbox", View(0, 0, 1280, 720, 0, 49, 224, 126, 1280, 720)),
        # torchvision's CenterCrop: int(round((height - crop) / 2.0)), so 2.5 becomes 2 and 3.5 becomes 4
        ((229, 224), "center-crop", View(0, 2, 224, 224, 0, 0, 224, 224, 224, 229)),
        ((231, 224), "center-crop", View(0, 4, 224, 224, 0, 0, 224, 224, 224, 231)),
    ],
)
def test_known_views(frame, policy, expected):
    assert plan_view(*frame, 224, 224, ResizePolicy.parse(policy)) == expected


def test_a_network_that_is_not_square_gets_a_crop_of_its_proportions():
    assert plan_view(720, 1280, 128, 256, ResizePolicy("center-crop")) == View(
        0, 40, 1280, 640, 0, 0, 256, 128, 1280, 720
    )
    assert plan_view(720, 1280, 256, 128, ResizePolicy("center-crop")) == View(
        460, 0, 360, 720, 0, 0, 128, 256, 1280, 720
    )


def test_the_padding_lies_outside_of_the_frame():
    view = plan_view(720, 1280, 224, 224, ResizePolicy("letterbox"))
    assert view.to_source(112, 48)[1] < 0
    assert view.to_source(112, 176)[1] > 720
