"""Pictures for calibration, out of real folders and films, and out of cameras that behave."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_edge.building.pictures import open_pictures, take_pictures
from mnv2_edge.errors import SourceError, UsageError
from mnv2_edge.frames import Frame
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy

SIZE = {"height": 8, "width": 8}
PREPROCESS = Preprocess()


def grey(level: int) -> np.ndarray:
    return np.full((24, 32, 3), level, np.uint8)


def folder_of(path: Path, count: int) -> Path:
    path.mkdir()
    for number in range(count):
        cv2.imwrite(str(path / f"{number}.png"), grey(number))
    return path


def levels(pictures) -> list[int]:
    return [int(picture.mean()) for picture in pictures.items]


def test_a_folder_gives_every_picture_in_natural_order(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 12)
    pictures = take_pictures(str(folder), limit=100, **SIZE, preprocess=PREPROCESS)
    assert levels(pictures) == list(range(12))
    assert pictures.source == str(folder)
    assert pictures.items[0].shape == (8, 8, 3)
    assert pictures.items[0].dtype == np.uint8


def test_a_training_set_has_a_folder_for_every_class(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    folder_of(tmp_path / "train" / "cat", 3)
    folder_of(tmp_path / "train" / "dog", 2)
    assert levels(take_pictures(str(tmp_path / "train"), limit=9, **SIZE, preprocess=PREPROCESS)) == [0, 1, 2, 0, 1]
    opened = open_pictures(tmp_path / "train", limit=9, **SIZE, preprocess=PREPROCESS)
    assert levels(opened) == [0, 1, 2, 0, 1]


def test_of_many_pictures_some_are_taken_spread_over_all(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos", 100)
    assert levels(take_pictures(str(folder), limit=4, **SIZE, preprocess=PREPROCESS)) == [0, 25, 50, 75]


def test_the_network_sees_what_run_would_show_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (50, 70, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos/a.png"), photo)
    for preprocess in (Preprocess(), Preprocess("BGR", resize=ResizePolicy("letterbox"))):
        taken = take_pictures(str(tmp_path / "photos"), limit=9, height=24, width=24, preprocess=preprocess)
        expected, _ = fit_picture(photo, "BGR", 24, 24, preprocess)
        assert (taken.items[0] == expected).all()


def test_unreadable_pictures_are_skipped_and_counted(tmp_path: Path, caplog) -> None:
    folder = folder_of(tmp_path / "photos", 3)
    (folder / "1.png").write_bytes(b"no picture")
    assert levels(take_pictures(str(folder), limit=9, **SIZE, preprocess=PREPROCESS)) == [0, 2]
    assert "1.png" in caplog.text
    assert "1 pictures could not be read" in caplog.text


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_folder_without_a_picture_is_an_error(tmp_path: Path, content) -> None:
    folder = folder_of(tmp_path / "photos", 0)
    if content:
        (folder / "a.jpg").write_bytes(content)
    with pytest.raises(SourceError, match="gave no picture"):
        take_pictures(str(folder), limit=9, **SIZE, preprocess=PREPROCESS)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (32, 24))
    for index in range(200):
        writer.write(grey(index + 20))
    writer.release()
    return path


@pytest.mark.parametrize("limit", [1, 7, 50, 150, 500])
def test_of_a_film_frames_are_taken_spread_over_all_of_it(film: Path, limit: int) -> None:
    taken = np.array(levels(take_pictures(str(film), limit=limit, **SIZE, preprocess=PREPROCESS)))
    assert len(taken) == min(limit, 200)
    gaps = np.diff(taken)
    assert (gaps > 0).all()
    if limit > 1:
        assert taken[0] <= 20 + 2
        assert 220 - taken[-1] <= 3 * 200 / min(limit, 200)
        assert gaps.max() <= 2.1 * 200 / len(taken)


def test_a_film_is_never_held_in_full(film: Path, monkeypatch) -> None:
    """What is kept on the way has the network's size: at most twice as many as asked for."""
    fitted = []
    monkeypatch.setattr(
        "mnv2_edge.building.pictures.fit_picture",
        lambda *args: fitted.append(1) or fit_picture(*args),
    )
    take_pictures(str(film), limit=5, **SIZE, preprocess=PREPROCESS)
    assert len(fitted) < 60


class Camera:
    """Give a frame of a rising grey level every 10 ms of a clock of its own."""

    live = endless = True
    skipped = 0

    def __init__(self, clock) -> None:
        self._clock = clock
        self.closed = False

    def __iter__(self) -> Iterator[Frame]:
        for index in itertools.count():
            self._clock.now += 0.01
            yield Frame(grey(index % 256), "RGB", index, time.monotonic_ns(), "camera")

    def close(self) -> None:
        self.closed = True


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def monotonic_ns(self) -> int:
        return int(self.now * 1e9)


def test_a_camera_settles_and_is_looked_at_now_and_then(monkeypatch) -> None:
    clock = Clock()
    camera = Camera(clock)
    monkeypatch.setattr("mnv2_edge.building.pictures.time", clock)
    monkeypatch.setattr("mnv2_edge.building.pictures.open_source", lambda *args, **options: camera)
    seen: list[tuple[int, int]] = []
    pictures = take_pictures(
        "0", limit=3, **SIZE, preprocess=PREPROCESS, progress=lambda done, total: seen.append((done, total))
    )
    first, second, third = levels(pictures)
    assert 98 <= first <= 101
    assert 19 <= second - first <= 22
    assert 19 <= third - second <= 22
    assert camera.closed
    assert seen == [(1, 3), (2, 3), (3, 3), (3, 3)]


def test_what_is_no_source_says_so() -> None:
    with pytest.raises(UsageError, match="no source 'gopher'"):
        take_pictures("gopher:x", limit=3, **SIZE, preprocess=PREPROCESS)


def test_a_folder_to_verify_with_is_decoded_when_it_is_looked_at(tmp_path: Path, caplog) -> None:
    folder = folder_of(tmp_path / "photos", 6)
    (folder / "2.png").write_bytes(b"no picture")
    pictures = open_pictures(folder, limit=9, **SIZE, preprocess=PREPROCESS)
    assert "1 pictures could not be read" in caplog.text
    assert levels(pictures) == [0, 1, 3, 4, 5]
    assert [int(picture.mean()) for picture in pictures.items[::2]] == [0, 3, 5]
    assert int(pictures.items[-1].mean()) == 5
    with pytest.raises(IndexError):
        pictures.items[5]
    cv2.imwrite(str(folder / "0.png"), grey(77))
    assert int(pictures.items[0].mean()) == 77
    assert levels(open_pictures(folder, limit=2, **SIZE, preprocess=PREPROCESS)) == [77, 3]


def test_a_folder_to_verify_with_must_hold_a_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no picture to verify with"):
        open_pictures(folder_of(tmp_path / "photos", 0), limit=9, **SIZE, preprocess=PREPROCESS)
    with pytest.raises(SourceError, match="cannot be read"):
        open_pictures(tmp_path / "nowhere", limit=9, **SIZE, preprocess=PREPROCESS)
