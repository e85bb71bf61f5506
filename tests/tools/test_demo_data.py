import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mnv2_edge.demo import FRAMES_PER_SIGN, render, true_class
from mnv2_engines.preprocessing.frame_path import FramePreparer
from mnv2_engines.preprocessing.preprocess import Preprocess
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


def test_a_batch_is_moved_by_at_most_the_shift(data: ModuleType):
    images, _ = data.render_set(3, 8)
    for before, after in zip(images, data.moved(images, np.random.default_rng(1), shift=3), strict=True):
        middles = [np.roll(before, (y, x), (0, 1))[8:-8, 8:-8] for y in range(-3, 4) for x in range(-3, 4)]
        assert any(np.array_equal(middle, after[8:-8, 8:-8]) for middle in middles)
