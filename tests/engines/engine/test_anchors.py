"""Anchors of single-shot detectors, against figures worked out by hand and the ones a trained network came with."""

import numpy as np
import pytest

from mnv2_engines.engine.anchors import anchor_boxes, read_anchors, ssd_maps
from mnv2_engines.engine.task_facts import DetectionFacts, SsdAnchors
from mnv2_engines.errors import ContractError

SSD = DetectionFacts(ssd=SsdAnchors())


def test_the_anchors_of_a_trained_network(shared):
    reference = np.load(shared / "models" / "ped_ref.npz")["anchors"]
    assert np.abs(anchor_boxes(SSD, (300, 300)) - reference).max() < 1e-6


@pytest.mark.parametrize(
    ("size_hw", "maps", "count"),
    [
        ((300, 300), (19, 10, 5, 3, 2, 1), 1917),
        ((320, 320), (20, 10, 5, 3, 2, 1), 2034),
    ],
)
def test_the_maps_of_tensorflows_networks(size_hw, maps, count):
    assert ssd_maps(size_hw) == tuple((side, side) for side in maps)
    assert len(anchor_boxes(SSD, size_hw)) == count


def test_boxes_by_hand():
    ssd = SsdAnchors(maps=((1, 2), (1, 1)), min_scale=0.2, max_scale=0.5, aspect_ratios=(1.0, 4.0))
    boxes = anchor_boxes(DetectionFacts(ssd=ssd), (100, 100))
    # The first map: centres (0.5, 0.25) and (0.5, 0.75); scale 0.1, then 0.2 twice and half as wide as high.
    wide, high = 0.2 * 2**0.5, 0.2 / 2**0.5
    assert boxes[:3] == pytest.approx(
        np.array(
            [
                [0.45, 0.2, 0.55, 0.3],
                [0.5 - high / 2, 0.25 - wide / 2, 0.5 + high / 2, 0.25 + wide / 2],
                [0.5 - wide / 2, 0.25 - high / 2, 0.5 + wide / 2, 0.25 + high / 2],
            ]
        )
    )
    assert boxes[3] == pytest.approx([0.45, 0.7, 0.55, 0.8])
    # The second: scale 0.5 with ratios 1 and 4, and sqrt(0.5 * 1) with ratio 1.
    between = 0.5**0.5
    assert boxes[6:] == pytest.approx(
        np.array([[0.25, 0.25, 0.75, 0.75], [0.375, 0, 0.625, 1], [*[0.5 - between / 2] * 2, *[0.5 + between / 2] * 2]])
    )


def test_anchors_are_square_in_pixels_also_when_the_picture_is_not():
    ssd = SsdAnchors(maps=((1, 1),), reduce_lowest=False, aspect_ratios=(1.0,), interpolated_aspect_ratio=0.0)
    (box,) = anchor_boxes(DetectionFacts(ssd=ssd), (200, 400))
    assert (box[2] - box[0]) * 200 == pytest.approx((box[3] - box[1]) * 400) == pytest.approx(0.2 * 200)


def test_without_anchors_the_message_says_where_they_belong():
    with pytest.raises(ContractError, match=r"detection: \{anchors: ssd\}"):
        anchor_boxes(DetectionFacts(), (300, 300))


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_a_file_of_anchors_is_read_exactly(tmp_path, save):
    given = np.array([[0, 0, 0.5, 0.25], [-0.125, 0.5, 1, 1.5]], np.float32)
    save(tmp_path / "anchors.npy" if save is np.save else tmp_path / "anchors.npz", given)
    (path,) = tmp_path.iterdir()
    facts = DetectionFacts(anchors=read_anchors(path))
    assert np.array_equal(anchor_boxes(facts, (10, 10)), given)


def test_an_archive_with_more_than_anchors(tmp_path):
    path = tmp_path / "all.npz"
    np.savez(path, other=np.zeros(3), anchors=np.array([[0.0, 0.0, 1.0, 1.0]]))
    assert len(read_anchors(path)) == 16


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is not there"),
        (b"nonsense", "is not a file of anchors"),
        (b"PK\x03\x04nonsense", "is not a file of anchors"),
        (np.zeros((3, 5), np.float32), r"shape \[3, 5\]"),
        (np.zeros((3, 4), np.int64), "int64"),
        (np.full((1, 4), np.nan, np.float32), "float32"),
        (np.zeros((1, 4), np.float32), "end before they begin"),
        (np.array([{}], dtype=object), "is not a file of anchors"),
    ],
)
def test_what_is_no_file_of_anchors_is_told(tmp_path, content, says):
    path = tmp_path / "anchors.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ContractError, match=says):
        read_anchors(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_scale": 0.0},
        {"min_scale": 0.9, "max_scale": 0.5},
        {"aspect_ratios": ()},
        {"aspect_ratios": (0.0,)},
        {"maps": ((1000, 1000),)},
    ],
)
def test_parameters_without_sense_are_refused(wrong):
    with pytest.raises(ContractError, match="anchors: "):
        SsdAnchors(**wrong)
