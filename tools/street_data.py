"""Render streets with several signs for the demo's detector and segmenter, through the geometry of the runtime.

As for the classifier, one frame of each scene is used, and films share no scene.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from demo_data import LARGE_SIZE, frame_index
from mnv2_edge.demo import DEFAULT_SIZE, render_street, true_mask, true_signs
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy, ResizeQuality

INPUT_HEIGHT, INPUT_WIDTH = 144, 192
"""As wide to its height as the frames, so stretching a frame to it changes no shape."""
MOST_SIGNS = 4
PREPROCESS = Preprocess(resize=ResizePolicy("stretch"))

Images = NDArray[np.uint8]
Boxes = NDArray[np.float32]


def network_view(pixels: Images, quality: ResizeQuality = "antialias") -> Images:
    """Return what the network sees of a frame, (144, 192, 3) RGB uint8: exactly the runtime's pixels."""
    picture, _ = fit_picture(pixels, "RGB", INPUT_HEIGHT, INPUT_WIDTH, PREPROCESS, quality)
    return picture


def boxes_of(film: int, index: int) -> Boxes:
    """Return the signs of a frame, float32 (4, 5): class id, top, left, bottom, right as fractions; -1 fills up."""
    rows = np.full((MOST_SIGNS, 5), -1.0, np.float32)
    for place, sign in enumerate(true_signs(film, index)):
        left, top, right, bottom = sign.box
        rows[place] = (sign.class_id, top, left, bottom, right)
    return rows


def mask_of(film: int, index: int) -> Images:
    """Return the class of every network pixel, uint8 (144, 192): 0 is background, else class id + 1."""
    return true_mask(film, index, (INPUT_WIDTH, INPUT_HEIGHT))


def render_set(film: int, count: int) -> tuple[Images, Boxes, Images]:
    """Render `count` scenes of a film: images (count, 144, 192, 3) RGB uint8, boxes and masks."""
    indexes = [frame_index(scene) for scene in range(count)]
    return (
        np.stack([network_view(render_street(film, index)) for index in indexes]),
        np.stack([boxes_of(film, index) for index in indexes]),
        np.stack([mask_of(film, index) for index in indexes]),
    )


def render_chunks(film: int, first_scene: int, count: int) -> Iterator[tuple[Images, Boxes, Images]]:
    """Render a film without end, `count` scenes a chunk.

    One scene in eight is rendered larger and one in four resized the fast way, so that a network depends on neither.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([film, first_scene])
    scene = first_scene
    while True:
        images = np.empty((count, INPUT_HEIGHT, INPUT_WIDTH, 3), np.uint8)
        boxes = np.empty((count, MOST_SIGNS, 5), np.float32)
        masks = np.empty((count, INPUT_HEIGHT, INPUT_WIDTH), np.uint8)
        for place in range(count):
            index = frame_index(scene)
            size = LARGE_SIZE if rng.random() < 0.125 else DEFAULT_SIZE
            quality: ResizeQuality = "fast" if rng.random() < 0.25 else "antialias"
            images[place] = network_view(render_street(film, index, size), quality)
            boxes[place] = boxes_of(film, index)
            masks[place] = mask_of(film, index)
            scene += 1
        yield images, boxes, masks
