"""The published figures, every one of them, and the paper's table of memory."""

import pytest

from mnv2_engines.networks import MobileNetV2
from mnv2_engines.networks.counting import bottleneck_memory, count_macs, count_parameters, stage_memory
from mnv2_engines.networks.published import OFFICIAL, published_row

TABLE_3 = {112: (16, 400), 56: (32, 200), 28: (64, 100), 14: (160, 62), 7: (320, 32)}
"""Resolution to channels and kB, as printed for MobileNetV2."""


def test_there_are_twenty_two_official_rows():
    assert len({(row.width, row.resolution) for row in OFFICIAL}) == 22


@pytest.mark.parametrize("row", OFFICIAL, ids=lambda row: f"{row.width}_{row.resolution}")
@pytest.mark.parametrize("classes", [1000, 1001])
def test_macs_and_parameters_are_the_published_ones(row, classes):
    network = MobileNetV2(row.width, (row.resolution, row.resolution), classes)
    assert count_macs(network) // 1_000_000 == row.macs_m
    assert round(count_parameters(network) / 1e6, 2) == row.parameters_m
    assert published_row(network) is row


def test_published_rows_are_for_the_official_square_networks_alone():
    assert published_row(MobileNetV2(width=0.5, head="scaled")) is None
    assert published_row(MobileNetV2(size_hw=(224, 192))) is None
    assert published_row(MobileNetV2(width=0.6)) is None


def test_table_3_is_met_by_its_own_rule():
    lines = {line.size_hw[0]: line for line in stage_memory(MobileNetV2())}
    assert {size: line.channels for size, line in lines.items()} == {size: row[0] for size, row in TABLE_3.items()}
    for size, (_, kilobytes) in TABLE_3.items():
        assert lines[size].byte_count / 1000 == pytest.approx(kilobytes, rel=0.021)


def test_what_the_network_really_keeps_between_blocks_is_table_3_or_less():
    kept = {line.size_hw[0]: (line.channels, line.byte_count) for line in bottleneck_memory(MobileNetV2())}
    assert kept == {112: (16, 401_408), 56: (24, 150_528), 28: (32, 50_176), 14: (96, 37_632), 7: (320, 31_360)}
    assert max(byte_count for _, byte_count in kept.values()) == 401_408  # the paper's largest: 400K
