"""Open and close every source 500 times: nothing may stay open or grow. Network cameras have it in their own files."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_edge.demo import render
from mnv2_edge.sources import FrameSource
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.usb.v4l2 import V4l2Request, V4l2Source
from support.leaks import check_flat


class FakeCamera:
    """Do what OpenCV's capture of a camera does, with memory of its own for every picture."""

    opened = 0

    def __init__(self) -> None:
        FakeCamera.opened += 1

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def read(self) -> tuple[bool, np.ndarray]:
        return True, np.full((480, 640, 3), 99, np.uint8)

    def get(self, _prop: int) -> float:
        return 0.0

    def set(self, _prop: int, _value: float) -> bool:
        return True

    def release(self) -> None:
        FakeCamera.opened -= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    writer = cv2.VideoWriter(str(folder / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 120))
    for index in range(5):
        picture = cv2.cvtColor(render(1, index, (160, 120)), cv2.COLOR_RGB2BGR)
        writer.write(picture)
        cv2.imwrite(str(folder / f"{index}.jpg"), picture)
    writer.release()
    return folder


def usb(_folder: Path) -> FrameSource:
    return V4l2Source(Path("/dev/video7"), V4l2Request(), "cam", lambda _node, _request: FakeCamera())


def named(name: str, **settings: object) -> Callable[[Path], FrameSource]:
    return lambda folder: open_source(name.format(folder=folder), camera_id="cam", **settings)


@pytest.mark.parametrize(
    "open_it",
    [usb, named("demo?size=64x64"), named("{folder}/film.avi"), named("{folder}"), named("{folder}/0.jpg", rotate=90)],
    ids=["usb", "demo", "film", "folder", "picture"],
)
def test_500_openings_leave_nothing_behind(folder: Path, open_it: Callable[[Path], FrameSource]) -> None:
    def cycle() -> None:
        with closing(open_it(folder)) as source:
            next(iter(source))

    check_flat(cycle)
    assert FakeCamera.opened == 0
