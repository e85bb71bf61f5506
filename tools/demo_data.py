"""Render training and test images for the demo network, through the geometry that the runtime uses.

A film's scenes are several frames long; only one frame of each is used here, so no two images show the same scene.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mnv2_edge.scenes import DEFAULT_SIZE, FRAMES_PER_SIGN, render, true_class
from mnv2_engines.frame_path import fit_picture
from mnv2_engines.preprocess import Preprocess, ResizeQuality

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


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive scenes of the training film."""

    images: Images
    labels: Labels


def render_chunks(film: int, first_scene: int, count: int) -> Iterator[Chunk]:
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
        yield Chunk(images, labels)


def _render_into(chunks: multiprocessing.Queue[Chunk], film: int, first_scene: int, count: int) -> None:
    """Render until killed, or until the training process is gone without having said so."""
    parent = os.getppid()
    chunks.cancel_join_thread()
    os.nice(2)
    cv2.setNumThreads(1)
    for chunk in render_chunks(film, first_scene, count):
        while os.getppid() == parent:
            try:
                chunks.put(chunk, timeout=2.0)
                break
            except queue.Full:
                continue
        else:
            return


class ScenePool:
    """Hold the newest renders of a background process and draw random batches from them.

    A scene is drawn again only as often as training is faster than rendering. It owns the process: close it.
    """

    def __init__(self, film: int, first_scene: int, capacity: int, chunk: int = 256) -> None:
        self._images = np.empty((capacity, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
        self._labels = np.empty(capacity, dtype=np.int64)
        self.scenes = first_scene
        """The next scene of the film to take in: where a later run goes on."""
        self._filled = 0
        self._next = 0
        context = multiprocessing.get_context("spawn")
        self._chunks: multiprocessing.Queue[Chunk] = context.Queue(maxsize=4)
        self._process = context.Process(target=_render_into, args=(self._chunks, film, first_scene, chunk), daemon=True)
        self._process.start()

    def wait_for(self, scenes: int) -> None:
        """Take renders in until the pool holds `scenes` of them."""
        while self._filled < scenes:
            self._take(self._chunks.get(timeout=120))

    def refresh(self) -> None:
        """Take in what has been rendered since, over the oldest renders; never waits."""
        try:
            while True:
                self._take(self._chunks.get_nowait())
        except queue.Empty:
            return

    def batch(self, rng: np.random.Generator, size: int, shift: int = 3) -> tuple[Images, Labels]:
        """Return `size` random renders, each moved by up to `shift` pixels both ways with its border repeated."""
        places = rng.integers(0, self._filled, size)
        steps = np.arange(INPUT_SIZE)
        rows = np.clip(steps + rng.integers(-shift, shift + 1, (size, 1)), 0, INPUT_SIZE - 1)
        columns = np.clip(steps + rng.integers(-shift, shift + 1, (size, 1)), 0, INPUT_SIZE - 1)
        images = self._images[places[:, None, None], rows[:, :, None], columns[:, None, :]]
        return images, self._labels[places]

    def close(self) -> None:
        """Stop the rendering process."""
        self._process.terminate()
        self._process.join()
        self._chunks.close()

    def _take(self, chunk: Chunk) -> None:
        capacity = len(self._labels)
        places = (self._next + np.arange(len(chunk.labels))) % capacity
        self._images[places] = chunk.images
        self._labels[places] = chunk.labels
        self._next = int(places[-1] + 1) % capacity
        self._filled = min(capacity, self._filled + len(places))
        self.scenes += len(places)
