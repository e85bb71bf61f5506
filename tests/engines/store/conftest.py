"""A store with one real engine in it, built once."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.store import Store
from mnv2_engines.store.build import build_stored


@pytest.fixture(scope="session")
def signs_request(signs_model: Path, signs_pictures) -> Callable[..., BuildRequest]:
    """Return a function that asks for the demo network; keyword arguments replace fields."""

    def make(**changes: object) -> BuildRequest:
        request = BuildRequest(
            model=signs_model,
            output=Path("nowhere"),
            preprocess=Preprocess(),
            calibration=Pictures("scenes", signs_pictures[:12]),
            validation=Pictures("others", signs_pictures[34:]),
            name="signs",
            task="classify",
            labels=tuple(f"sign {index}" for index in range(12)),
        )
        return dataclasses.replace(request, **changes)

    return make


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory, signs_request) -> Path:
    """Build the demo network into a store; tests take copies."""
    home = tmp_path_factory.mktemp("built")
    build_stored(Store(home), signs_request())
    return home


@pytest.fixture
def store(built_home: Path, tmp_path: Path) -> Store:
    """Return a store of the test's own that holds `signs`."""
    return Store(shutil.copytree(built_home, tmp_path / "home", symlinks=True))
