"""Render on one core while another trains: a pool of the newest renders, to draw random batches from."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
"""What belongs together, pictures first; the first axis counts scenes."""
RenderChunks = Callable[[int, int, int], Iterator[Arrays]]
"""Called in a process of its own with film, first scene and scenes a chunk; renders without end."""


class ScenePool:
    """Hold the newest renders of a background process and draw random batches from them.

    A scene is drawn again only as often as training is faster than rendering. It owns the process: close it.
    """

    def __init__(self, render: RenderChunks, film: int, first_scene: int, capacity: int, chunk: int = 256) -> None:
        self._capacity = capacity
        self._arrays: Arrays = ()
        self.scenes = first_scene
        """The next scene of the film to take in: where a later run goes on."""
        self._filled = 0
        self._next = 0
        context = multiprocessing.get_context("spawn")
        self._chunks: multiprocessing.Queue[Arrays] = context.Queue(maxsize=4)
        arguments = (self._chunks, render, film, first_scene, chunk)
        self._process = context.Process(target=_render_into, args=arguments, daemon=True)
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

    def batch(self, rng: np.random.Generator, size: int) -> Arrays:
        """Return `size` random renders, copied."""
        places = rng.integers(0, self._filled, size)
        return tuple(array[places] for array in self._arrays)

    def close(self) -> None:
        """Stop the rendering process."""
        self._process.kill()
        self._process.join()
        self._chunks.close()

    def _take(self, chunk: Arrays) -> None:
        if not self._arrays:
            self._arrays = tuple(np.empty((self._capacity, *part.shape[1:]), part.dtype) for part in chunk)
        count = len(chunk[0])
        places = (self._next + np.arange(count)) % self._capacity
        for array, part in zip(self._arrays, chunk, strict=True):
            array[places] = part
        self._next = (self._next + count) % self._capacity
        self._filled = min(self._capacity, self._filled + count)
        self.scenes += count


def _render_into(
    chunks: multiprocessing.Queue[Arrays], render: RenderChunks, film: int, first_scene: int, count: int
) -> None:
    """Render until killed, or until the training process is gone without having said so."""
    parent = os.getppid()
    chunks.cancel_join_thread()
    os.nice(2)
    cv2.setNumThreads(1)
    for chunk in render(film, first_scene, count):
        while os.getppid() == parent:
            try:
                chunks.put(chunk, timeout=2.0)
                break
            except queue.Full:
                continue
        else:
            return
