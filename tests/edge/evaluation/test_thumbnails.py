import cv2
import numpy as np

from mnv2_edge.evaluation.thumbnails import draw_thumbnail
from mnv2_engines.geometry import View


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
