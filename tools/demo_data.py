"""Render training and test images for the demo network, through the geometry that the runtime uses.

A film's scenes are several frames long; only one frame of each is used here, so no two images show the same scene.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mnv2_edge.demo import DEFAULT_SIZE, FRAMES_PER_SIGN, render, true_class
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizeQuality

INPUT_SIZE = 96
LARGE_SIZE = (640, 480)

TRAINING_FILM = 20_000
VALIDATION_FILM = 10_001
TEST_FILM = 10_002
CALIBRATION_FILM = 10_003
VERIFICATION_FILM = 10_004
"""Films (scene seeds) that share no scene; training adds its own seed, and the demo source's films count from 0."""
TEST_SCENES = 2_000

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def frame_index(scene: int) -> int:
    """Return the index of the one frame that is used of a scene: its first, its second and so on in turn."""
    return scene * FRAMES_PER_SIGN + scene % FRAMES_PER_SIGN


def network_view(pixels: Images, quality: ResizeQuality = "antialias") -> Images:
    """Return what the network sees of a frame, (96, 96, 3) RGB uint8: exactly the pixels that the runtime gives it."""
    picture, _ = fit_picture(pixels, "RGB", INPUT_SIZE, INPUT_SIZE, Preprocess(), quality)
    return picture


def render_set(film: int, count: int, size: tuple[int, int] = DEFAULT_SIZE) -> tuple[Images, Labels]:
    """Render `count` scenes of a film: images (count, 96, 96, 3) RGB uint8, and their class ids."""
    images = np.empty((count, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    for scene in range(count):
        images[scene] = network_view(render(film, frame_index(scene), size))
    labels = np.array([true_class(film, frame_index(scene)) for scene in range(count)], dtype=np.int64)
    return images, labels


def render_chunks(film: int, first_scene: int, count: int) -> Iterator[tuple[Images, Labels]]:
    """Render the training film without end, `count` scenes a chunk.

    One scene in eight is rendered larger and one in four resized the fast way, at random, so that the network depends
    on neither.
    """
    rng = np.random.default_rng([film, first_scene])
    scene = first_scene
    while True:
        images = np.empty((count, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
        labels = np.empty(count, dtype=np.int64)
        for place in range(count):
            index = frame_index(scene)
            size = LARGE_SIZE if rng.random() < 0.125 else DEFAULT_SIZE
            quality: ResizeQuality = "fast" if rng.random() < 0.25 else "antialias"
            images[place] = network_view(render(film, index, size), quality)
            labels[place] = true_class(film, index)
            scene += 1
        yield images, labels


def moved(images: Images, rng: np.random.Generator, shift: int = 3) -> Images:
    """Return the images, each moved by up to `shift` pixels both ways with its border repeated."""
    places = np.arange(len(images))[:, None, None]
    steps = np.arange(INPUT_SIZE)
    rows = np.clip(steps + rng.integers(-shift, shift + 1, (len(images), 1)), 0, INPUT_SIZE - 1)
    columns = np.clip(steps + rng.integers(-shift, shift + 1, (len(images), 1)), 0, INPUT_SIZE - 1)
    return images[places, rows[:, :, None], columns[:, None, :]]
