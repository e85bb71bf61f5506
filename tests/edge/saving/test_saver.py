"""Saving goes on beside the frame path: it never holds it up, and loses nothing of files."""

import logging
import threading

import cv2
import pytest

from mnv2_edge.pipeline.pipeline import Network, Pipeline
from mnv2_edge.pipeline.reader import OpenedCamera
from mnv2_edge.saving import PictureFolder, Saver
from mnv2_engines.predictions import Box, Detection
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from support.fakes import EchoBackend, EchoTask, FilmSource

SECOND = 1_000_000_000


class SlowFolder(PictureFolder):
    """Write when it is let."""

    def __init__(self, path, limit_bytes=1 << 30):
        super().__init__(path, limit_bytes)
        self.let_go = threading.Event()
        self.writing = threading.Event()

    def keep(self, name, data):
        self.writing.set()
        self.let_go.wait(20)
        super().keep(name, data)


def names(path):
    return sorted(picture.name for picture in path.iterdir())


def test_of_a_camera_one_picture_in_so_many_seconds(tmp_path, make_sighting):
    saver = Saver(PictureFolder(tmp_path, 1 << 30), 1.0)
    for frame in range(40):  # 10 frames a second
        saver.show(make_sighting(frame=frame, captured_ns=SECOND + frame * SECOND // 10))
        saver.show(make_sighting(frame=frame, captured_ns=SECOND + frame * SECOND // 10, camera="other"))
        assert saver.wait_idle(10)
    saver.close()
    saved = names(tmp_path)
    assert [name[-12:] for name in saved if name.startswith("cam-")] == [f"{n:08d}.jpg" for n in (0, 10, 20, 30)]
    assert (saver.saved, saver.dropped, len(saved)) == (8, 0, 8)


def test_two_folders_with_pictures_of_the_same_name_lose_none(tmp_path, make_sighting):
    saver = Saver(PictureFolder(tmp_path, 1 << 30), 60.0)
    for camera in ("left", "right"):
        saver.show(make_sighting(live=False, picture="cat.jpg", camera=camera))
        assert saver.wait_idle(10)
    saver.close()
    assert names(tmp_path) == ["left-cat-000000.jpg", "right-cat-000000.jpg"]


@pytest.mark.parametrize("stem", ["x" * 251, "\u00e4" * 125, "\U0001f426" * 62])
def test_the_longest_name_of_a_picture_is_still_one_of_a_file(tmp_path, make_sighting, stem):
    saver = Saver(PictureFolder(tmp_path, 1 << 30), 60.0)
    saver.show(make_sighting(live=False, picture=f"{stem}.jpg", camera="c" * 64))
    assert saver.wait_idle(10)
    saver.close()
    assert (saver.saved, saver.dropped) == (1, 0)


def test_of_files_every_picture_under_its_own_name(tmp_path, make_sighting):
    saver = Saver(PictureFolder(tmp_path, 1 << 30), 60.0)
    box = Box(20.0, 60.0, 120.0, 40.0)
    cat = Detection(1, "cat", 0.9, box, box)
    for frame in range(5):
        saver.show(make_sighting(frame=frame, live=False, picture=f"p{frame}.png", detections=(cat,)))
        assert saver.wait_idle(10)
    saver.close()
    assert names(tmp_path) == [f"cam-p{n}-{n:06d}.jpg" for n in range(5)]
    shown = cv2.imread(str(tmp_path / "cam-p0-000000.jpg"))
    assert shown.shape == (120, 160, 3)
    assert shown[80, 20].tolist() != [100, 100, 100]


def test_what_is_due_too_fast_is_dropped_counted_and_told_once(tmp_path, make_sighting, caplog):
    folder = SlowFolder(tmp_path)
    saver = Saver(folder, 0.0)
    saver.show(make_sighting(frame=0))
    assert folder.writing.wait(10)
    for frame in range(1, 30):
        saver.show(make_sighting(frame=frame))
    assert not saver.wait_idle(0.01)
    folder.let_go.set()
    assert saver.wait_idle(10)
    saver.close()
    assert (saver.saved, saver.dropped) == (3, 27)
    assert sum("left out and counted" in message for message in caplog.messages) == 1


def test_a_dropped_frame_does_not_use_up_the_turn_of_the_next(tmp_path, make_sighting):
    folder = SlowFolder(tmp_path)
    saver = Saver(folder, 1.0)
    for second in range(4):
        saver.show(make_sighting(frame=second, captured_ns=(1 + second) * SECOND))
        folder.writing.wait(10)
    folder.let_go.set()
    assert saver.wait_idle(10)
    saver.show(make_sighting(frame=9, captured_ns=4 * SECOND + SECOND // 10))
    assert saver.wait_idle(10)
    saver.close()
    assert names(tmp_path)[-1].endswith("-00000009.jpg")


def test_a_full_folder_ends_the_saving_not_the_run(tmp_path, make_sighting, caplog):
    saver = Saver(PictureFolder(tmp_path, 5000), 0.0)
    for frame in range(20):
        saver.show(make_sighting(frame=frame))
        assert saver.wait_idle(10)
    saver.close()
    assert 0 < saver.saved < 20
    assert sum(picture.stat().st_size for picture in tmp_path.iterdir()) <= 5000
    assert sum("no further picture is saved" in message for message in caplog.messages) == 1


def test_a_fault_of_the_disk_is_counted_and_told_once(tmp_path, make_sighting, caplog):
    class Broken(PictureFolder):
        def keep(self, name, data):
            raise OSError(5, "Input/output error")

    saver = Saver(Broken(tmp_path, 1 << 30), 0.0)
    for frame in range(3):
        saver.show(make_sighting(frame=frame))
        assert saver.wait_idle(10)
    saver.close()
    assert (saver.saved, saver.dropped) == (0, 3)
    assert sum("Input/output error" in message for message in caplog.messages) == 1


def test_closing_takes_half_a_second_whatever_the_disk_does(tmp_path, make_sighting, caplog):
    caplog.set_level(logging.INFO)
    folder = SlowFolder(tmp_path)
    saver = Saver(folder, 0.0)
    for frame in range(3):
        saver.show(make_sighting(frame=frame))
        folder.writing.wait(10)
    closing = threading.Thread(target=saver.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    assert not folder.let_go.is_set()
    assert saver.dropped == 2
    folder.let_go.set()
    saver.close()
    saver.show(make_sighting())
    assert any("0 pictures saved" in message for message in caplog.messages)


@pytest.mark.parametrize("live", [True, False])
def test_a_slow_disk_holds_up_files_and_no_camera(tmp_path, live):
    folder = SlowFolder(tmp_path)
    saver = Saver(folder, 0.0)
    preprocess = Preprocess(mean=(0.0,) * 3, std=(1.0,) * 3, resize=ResizePolicy("stretch"))
    network = Network(EchoBackend(), EchoTask(), preprocess, "echo@0")
    source = FilmSource(30, live=live, period_s=0.002 if live else 0.0)
    pipeline = Pipeline([OpenedCamera("cam", source)], network, [], viewers=[saver])
    if not live:
        threading.Timer(0.3, folder.let_go.set).start()
    outcome = pipeline.run()
    if live:
        assert not folder.let_go.is_set()  # the run came to its end all the same
        assert outcome.results + outcome.dropped == 30
        folder.let_go.set()
        saver.close()
    else:
        saver.close()
        assert (saver.saved, saver.dropped) == (30, 0)
