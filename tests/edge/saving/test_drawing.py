"""What is drawn lies where it was found, and nothing else is touched."""

import numpy as np
import pytest

from mnv2_edge.frames import Cut
from mnv2_edge.saving.drawing import annotate
from mnv2_engines.predictions import Box, Detection, Prediction, Segment
from mnv2_engines.tasks.class_map import ClassMap, voc_palette


def detection(box, class_id=1, label="cat"):
    return Detection(class_id, label, 0.9, box, box)


def changed(drawn):
    """Return top, left, bottom, right of what is no longer grey."""
    rows, columns = (drawn != 100).any(axis=2).nonzero()
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def test_nothing_found_is_the_picture_as_bgr(make_sighting):
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    sighting = make_sighting(pixels=pixels)
    drawn = annotate(sighting)
    assert np.array_equal(drawn, pixels[:, :, ::-1])
    assert not np.shares_memory(drawn, pixels)


def test_a_box_is_a_frame_about_the_thing(make_sighting):
    sighting = make_sighting(detections=(detection(Box(20.0, 60.0, 120.0, 40.0)),))
    before = sighting.frame.pixels.copy()
    drawn = annotate(sighting)
    green = voc_palette()[2][::-1]
    assert (drawn[60, 20:140] == green).all()
    assert (drawn[99, 20:140] == green).all()
    assert (drawn[60:100, 20] == green).all()
    assert (drawn[60:100, 139] == green).all()
    assert (drawn[62:98, 22:138] == 100).all()
    assert changed(drawn)[1:] == (20, 100, 140)
    assert np.array_equal(sighting.frame.pixels, before)


def test_the_text_of_a_box_at_the_upper_edge_is_below_that_edge(make_sighting):
    drawn = annotate(make_sighting(detections=(detection(Box(0.0, 0.0, 160.0, 120.0)),)))
    assert (drawn[2:8, 2:30] != 100).any()


def test_in_a_region_boxes_lie_where_they_are_in_the_whole_picture(make_sighting):
    cut = Cut(left=300, top=200, picture_width=640, picture_height=480)
    drawn = annotate(make_sighting(cut=cut, detections=(detection(Box(320.0, 260.0, 120.0, 40.0)),)))
    assert changed(drawn)[1:] == (20, 100, 140)


def test_areas_are_tinted(make_sighting):
    ids = np.zeros((12, 16), np.uint8)
    ids[6:, 8:] = 3
    class_map = ClassMap(ids, Box(0.0, 0.0, 160.0, 120.0))
    drawn = annotate(make_sighting(class_map=class_map, segments=(Segment(3, "bird", 0.25),)))
    mixed = (100 + voc_palette()[3][::-1].astype(int)) / 2
    assert np.abs(drawn[60:, 80:] - mixed).max() <= 1
    assert (drawn[60:, :80] == 100).all()
    assert (drawn[20:60, 100:] == 100).all()
    assert (drawn[:10, :20] != 100).any()  # its name and share


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        (Box(40.0, 30.0, 80.0, 60.0), None),  # a crop of the frame
        (Box(340.0, 230.0, 80.0, 60.0), Cut(300, 200, 640, 480)),  # the same in a region
    ],
)
def test_a_map_of_a_part_is_laid_over_that_part(make_sighting, box, cut):
    class_map = ClassMap(np.full((5, 7), 3, np.uint8), box)
    drawn = annotate(make_sighting(class_map=class_map, segments=(Segment(3, "bird", 1.0),), cut=cut))
    assert (drawn[30:90, 40:120] != 100).any(axis=2).all()
    assert (drawn[90:] == 100).all()
    assert (drawn[30:, 120:] == 100).all()


def test_a_map_of_the_whole_picture_is_cut_to_the_region(make_sighting):
    ids = np.full((480, 640), 255, np.uint8)
    ids[260:300, 320:340] = 3
    class_map = ClassMap(ids, Box(0.0, 0.0, 640.0, 480.0))
    cut = Cut(300, 200, 640, 480)
    drawn = annotate(make_sighting(class_map=class_map, segments=(Segment(3, "bird", 0.1),), cut=cut))
    assert (drawn[60:100, 20:40] != 100).any(axis=2).all()
    assert (drawn[100:] == 100).all()
    assert (drawn[60:100, 40:] == 100).all()


def test_labels_of_the_whole_picture_stand_in_the_corner(make_sighting):
    owl = Prediction(1, "M\N{LATIN SMALL LETTER U WITH DIAERESIS} \N{OWL}", 0.9)
    drawn = annotate(make_sighting(predictions=(owl,)))
    top, left, bottom, right = changed(drawn)
    assert (top, left) == (0, 0)
    assert bottom < 30
    assert right < 160


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 3)])
def test_no_picture_is_too_small(make_sighting, size):
    pixels = np.zeros((*size, 3), np.uint8)
    box = Box(0.0, 0.0, float(size[1]), float(size[0]))
    drawn = annotate(make_sighting(pixels=pixels, detections=(detection(box),), predictions=(Prediction(0, "x", 1.0),)))
    assert drawn.shape == pixels.shape
