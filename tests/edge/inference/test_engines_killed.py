"""kill -9 while engines are built and imported: the store is whole and the engine that was there goes on."""

import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from mnv2_edge.demo import render
from mnv2_engines.store import Store
from mnv2_engines.store.readiness import verify_stored
from support.command import call, start


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for scene in range(10):
        cv2.imwrite(str(folder / f"{scene}.png"), cv2.cvtColor(render(5, 40 * scene), cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, root: Path, photos: Path) -> Path:
    """Build one engine, and export it."""
    home = tmp_path_factory.mktemp("home")
    shutil.copy(root / "engines" / "mnv2_engines" / "demo" / "demo.onnx", home / "signs.onnx")
    for arguments in (
        ("build-engine", home / "signs.onnx", "--calibration", photos),
        ("engines", "export", "signs", home / "signs.mnv2"),
    ):
        done = call(*arguments, home=home)
        assert done.returncode == 0, done.stderr
    return home


def build(home: Path, photos: Path) -> tuple[str | Path, ...]:
    return ("build-engine", home / "signs.onnx", "--name", "signs", "--calibration", photos)


def bring_in(home: Path, _photos: Path) -> tuple[str | Path, ...]:
    return ("engines", "import", home / "signs.mnv2")


def check_kills(home: Path, arguments: tuple[str | Path, ...], moments: int) -> None:
    """Kill the command at random moments of its life, so many times, and each time look at the store as it was left."""
    store = Store(home)
    began = time.monotonic()
    assert call(*arguments, home=home).returncode == 0
    takes_s = time.monotonic() - began
    draw = random.Random(4)
    numbers, killed = [], 0
    while killed < moments:
        process, began = start(*arguments, home=home), time.monotonic()
        try:
            process.communicate(timeout=draw.uniform(0.3, 1.05) * takes_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
        else:  # the machine had more to do before
            takes_s = min(takes_s, time.monotonic() - began)
        assert store.names() == ("signs",)
        assert store.default() == "signs"
        found = verify_stored(store, "signs")
        assert found.state == "ok", found.why
        numbers.append(int(store.version("signs").folder.name[:4]))
    assert numbers == sorted(numbers)
    assert call(*arguments, home=home).returncode == 0  # what the killed ones left is not in its way
    call("engines", "prune", home=home)
    assert len(list((store.folder / ".versions" / "signs").iterdir())) == 1
    assert list((store.folder / ".staging").iterdir()) == []


@pytest.mark.parametrize(("arguments", "moments"), [(build, 2), (bring_in, 3)])
def test_killed_a_few_times(
    home: Path, photos: Path, arguments: Callable[[Path, Path], tuple[str | Path, ...]], moments: int
) -> None:
    check_kills(home, arguments(home, photos), moments)


@pytest.mark.acceptance
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("arguments", [build, bring_in])
def test_killed_at_fifty_moments(
    home: Path, photos: Path, arguments: Callable[[Path, Path], tuple[str | Path, ...]]
) -> None:
    check_kills(home, arguments(home, photos), 50)


def test_two_builders_of_one_name_at_once_both_end_and_one_wins(home: Path, photos: Path) -> None:
    builders = [start(*build(home, photos), home=home) for _ in range(2)]
    for builder in builders:
        _, said = builder.communicate(timeout=100)
        assert builder.returncode == 0, said
    store = Store(home)
    assert verify_stored(store, "signs").state == "ok"
    assert len(list((store.folder / ".versions" / "signs").iterdir())) == 1
