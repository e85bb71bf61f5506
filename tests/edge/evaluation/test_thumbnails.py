import cv2
import numpy as np

from mnv2_edge.evaluation.thumbnails import draw_boxes, draw_thumbnail
from mnv2_engines.evaluation.box_matching import BoxMatches
from mnv2_engines.evaluation.detection import TruthBox
from mnv2_engines.predictions import Box, Detection
from mnv2_engines.preprocessing.geometry import View


def test_what_the_network_does_not_see_is_dim():
    pixels = np.full((400, 800, 3), 200, np.uint8)
    jpeg = draw_thumbnail(pixels, View(200, 0, 400, 400, 0, 0, 96, 96, source_width=800, source_height=400))
    thumbnail = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert thumbnail.shape == (112, 224, 3)
    middle, left, right = (int(thumbnail[56, column].mean()) for column in (112, 20, 200))
    assert abs(middle - 200) < 5
    assert abs(left - 70) < 5
    assert abs(right - 70) < 5


def test_small_pictures_stay_small():
    jpeg = draw_thumbnail(
        np.zeros((1, 3, 3), np.uint8), View(0, 0, 3, 1, 0, 0, 96, 96, source_width=3, source_height=1)
    )
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (1, 3, 3)


def test_what_is_right_missed_and_not_there_has_a_colour_each():
    def found(left):
        box = Box(left, 100, 100, 200)
        return Detection(1, "x", 0.9, box, box)

    missed = TruthBox(1, 600, 100, 100, 200, 20_000)
    jpeg = draw_boxes(np.zeros((400, 768, 3), np.uint8), BoxMatches((found(100),), (found(350),), (missed,)))
    blue, green, red = (
        plane.astype(int) for plane in cv2.split(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    )
    assert green.shape == (200, 384)
    row = slice(70, 130)  # between the upper and the lower edges
    assert (green - red)[row, 49:52].max() > 40
    assert (red - green)[row, 174:177].max() > 100
    assert (red - blue)[row, 298:303].max() > 100
    assert max(plane[row, 60:90].max() for plane in (blue, green, red)) < 60


def test_boxes_beyond_the_picture_are_drawn_as_far_as_it_goes():
    box = Box(-50, -50, 1000, 1000)
    whole = BoxMatches((Detection(1, "x", 0.9, box, box),), (), ())
    assert draw_boxes(np.zeros((3, 2, 3), np.uint8), whole)
