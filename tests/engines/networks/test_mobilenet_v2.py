"""The architecture: the paper's table, the rounding, both head rules, every size."""

import pytest

from mnv2_engines.errors import ContractError
from mnv2_engines.networks import MobileNetV2
from mnv2_engines.networks.counting import count_parameters
from mnv2_engines.networks.mobilenet_v2 import scaled_channels


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [
        (24, 1.0, 24),
        (24, 0.35, 8),  # 8.4
        (32, 0.35, 16),  # 11.2: 8 would be below 90 %
        (16, 0.35, 8),  # never below 8
        (24, 1.4, 32),  # 33.6
        (32, 0.75, 24),
        (24, 0.5, 16),  # 12 is as near to 8 as to 16, and 8 is below 90 %
        (1280, 1.4, 1792),
        (1280, 0.35, 448),
    ],
)
def test_channels_are_multiples_of_eight_and_not_below_ninety_per_cent(channels, width, expected):
    assert scaled_channels(channels, width) == expected


def test_the_bottlenecks_at_width_one_are_those_of_table_2():
    blocks = MobileNetV2().blocks
    assert [block.convolutions[-1].outputs for block in blocks] == (
        [16] + [24] * 2 + [32] * 3 + [64] * 4 + [96] * 3 + [160] * 3 + [320]
    )
    assert [block.convolutions[-1].output_hw[0] for block in blocks] == (
        [112] + [56] * 2 + [28] * 3 + [14] * 7 + [7] * 4
    )
    assert [block.shortcut for block in blocks] == [
        *[False],
        *[False, True],
        *[False, True, True],
        *[False, True, True, True],
        *[False, True, True],
        *[False, True, True],
        *[False],
    ]


def test_a_block_expands_filters_and_projects_without_a_last_activation():
    expand, filter_, project = MobileNetV2().blocks[1].convolutions
    assert (expand.kernel_shape, expand.activation) == ((96, 16, 1, 1), "relu6")
    assert (filter_.kernel_shape, filter_.groups, filter_.stride, filter_.activation) == ((96, 1, 3, 3), 96, 2, "relu6")
    assert (project.kernel_shape, project.activation) == ((24, 96, 1, 1), "none")


def test_the_first_block_does_not_expand():
    assert [layer.kernel_shape for layer in MobileNetV2().blocks[0].convolutions] == [(32, 1, 3, 3), (16, 32, 1, 1)]


def test_the_head_keeps_1280_features_below_width_one_unless_told_to_scale():
    assert MobileNetV2(width=0.5).feature_channels == 1280
    assert MobileNetV2(width=0.5, head="scaled").feature_channels == 640
    assert MobileNetV2(width=1.4).feature_channels == MobileNetV2(width=1.4, head="scaled").feature_channels == 1792


def test_parameters_with_batch_norm_are_pytorchs():
    assert count_parameters(MobileNetV2(), batch_norm=True) == 3_504_872  # torchvision's documentation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size_hw": (224, 225)}, "resolution 224x225 does not fit: expected multiples of 32"),
        ({"size_hw": (0, 0)}, "resolution 0x0 does not fit"),
        ({"width": 0.0}, "width 0.0 gives no useful network"),
        ({"classes": 0}, "0 classes are none"),
    ],
)
def test_what_gives_no_network_is_refused(options, message):
    with pytest.raises(ContractError, match=message):
        MobileNetV2(**options)
