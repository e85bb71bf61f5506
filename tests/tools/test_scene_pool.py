import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mnv2_edge.demo import render, true_class


@pytest.fixture
def tools(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """Import tools/demo_data.py and tools/scene_pool.py as the scripts beside them do."""
    monkeypatch.syspath_prepend(root / "tools")
    import demo_data
    import scene_pool

    yield demo_data, scene_pool
    sys.modules.pop("demo_data")
    sys.modules.pop("scene_pool")


def test_the_pool_replaces_the_oldest_and_keeps_labels_with_their_images(tools: tuple[ModuleType, ModuleType]):
    data, pools = tools
    with closing(pools.ScenePool(data.render_chunks, film=3, first_scene=0, capacity=40, chunk=16)) as pool:
        while pool.scenes < 48:
            pool.wait_for(16)
            pool.refresh()
        images, labels = pool.batch(np.random.default_rng(0), 30)
        taken_in = pool.scenes
    newest = {scene: true_class(3, data.frame_index(scene)) for scene in range(taken_in - 40, taken_in)}
    known = {
        data.network_view(render(3, data.frame_index(scene), size), quality).tobytes(): truth
        for scene, truth in newest.items()
        for size in (data.DEFAULT_SIZE, data.LARGE_SIZE)
        for quality in ("antialias", "fast")
    }
    assert [known[image.tobytes()] for image in images] == labels.tolist()
