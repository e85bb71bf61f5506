"""The width is guessed from shapes alone."""

import pytest

from mnv2_engines.networks import MobileNetV2
from mnv2_engines.networks.matching import match_kernels, match_names, nearest, parameter_shapes
from mnv2_engines.networks.published import OFFICIAL


def kernels(network):
    return [layer.kernel_shape for layer in network.convolutions()]


@pytest.mark.parametrize("width", sorted({row.width for row in OFFICIAL} | {0.1, 0.25, 1.75, 2.0}))
@pytest.mark.parametrize("head", ["official", "scaled"])
def test_width_and_head_rule_are_found(width, head):
    found = match_kernels(kernels(MobileNetV2(width, head=head)))
    assert found == (width, head if width < 1 else "official")


def test_a_width_between_gives_one_of_the_same_shapes():
    network = MobileNetV2(0.93)
    width, head = match_kernels(kernels(network))
    assert kernels(MobileNetV2(width, head=head)) == kernels(network)


def test_another_network_is_not_found_and_the_nearest_is():
    shapes = dict(parameter_shapes(MobileNetV2(0.75)))
    assert match_names(shapes) == (0.75, "official")
    shapes["features.4.conv.2.weight"] = (40, 144, 1, 1)
    assert match_names(shapes) is None
    assert nearest(shapes) == (0.75, "official")
    assert match_kernels(kernels(MobileNetV2())[:-1]) is None
