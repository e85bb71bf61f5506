import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mnv2_edge.scenes import FRAMES_PER_SIGN, render, true_class
from mnv2_engines.frame_path import FramePreparer
from mnv2_engines.preprocess import Preprocess
from mnv2_engines.tensors import TensorSpec


@pytest.fixture
def data(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import tools/demo_data.py as the scripts beside it do."""
    monkeypatch.syspath_prepend(root / "tools")
    import demo_data

    yield demo_data
    sys.modules.pop("demo_data")


def test_no_two_images_show_one_scene(data: ModuleType):
    indexes = [data.frame_index(scene) for scene in range(100)]
    assert [index // FRAMES_PER_SIGN for index in indexes] == list(range(100))
    assert {index % FRAMES_PER_SIGN for index in indexes} == set(range(FRAMES_PER_SIGN))


def test_films_are_apart(data: ModuleType):
    films = {data.TRAINING_FILM, data.VALIDATION_FILM, data.TEST_FILM, data.CALIBRATION_FILM, data.VERIFICATION_FILM}
    assert len(films) == 5
    assert max(films) == data.TRAINING_FILM, "training adds its seed to its film, so no film may lie above"


def test_training_sees_the_pixels_that_the_runtime_gives_the_network(data: ModuleType):
    images, labels = data.render_set(5, 6, (640, 480))
    preparer = FramePreparer(TensorSpec("input", (1, 96, 96, 3), "uint8", "NHWC"), _UNCHANGED)
    given = np.zeros((1, 96, 96, 3), np.uint8)
    for scene in range(6):
        preparer.prepare(render(5, data.frame_index(scene), (640, 480)), "RGB", given)
        np.testing.assert_array_equal(images[scene], given[0])
        assert labels[scene] == true_class(5, data.frame_index(scene))


_UNCHANGED = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def test_the_pool_replaces_the_oldest_and_keeps_labels_with_their_images(data: ModuleType):
    with closing(data.ScenePool(film=3, first_scene=0, capacity=40, chunk=16)) as pool:
        while pool.scenes < 48:
            pool.wait_for(16)
            pool.refresh()
        images, labels = pool.batch(np.random.default_rng(0), 30, shift=0)
        taken_in = pool.scenes
    newest = {scene: true_class(3, data.frame_index(scene)) for scene in range(taken_in - 40, taken_in)}
    known = {
        data.network_view(render(3, data.frame_index(scene), size), quality).tobytes(): truth
        for scene, truth in newest.items()
        for size in (data.DEFAULT_SIZE, data.LARGE_SIZE)
        for quality in ("antialias", "fast")
    }
    assert [known[image.tobytes()] for image in images] == labels.tolist()


def test_a_batch_is_moved_by_at_most_the_shift(data: ModuleType):
    with closing(data.ScenePool(film=3, first_scene=0, capacity=16, chunk=16)) as pool:
        pool.wait_for(16)
        still, _ = pool.batch(np.random.default_rng(1), 8, shift=0)
        moved, _ = pool.batch(np.random.default_rng(1), 8, shift=3)
    for before, after in zip(still, moved, strict=True):
        middles = [np.roll(before, (y, x), (0, 1))[8:-8, 8:-8] for y in range(-3, 4) for x in range(-3, 4)]
        assert any(np.array_equal(middle, after[8:-8, 8:-8]) for middle in middles)
