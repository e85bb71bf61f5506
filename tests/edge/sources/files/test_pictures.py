"""Pictures and folders of pictures."""

import contextlib
import logging
import os
import struct
import threading
import time

import cv2
import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.sources.files import readable
from mnv2_edge.sources.files.pictures import list_pictures, read_picture
from mnv2_edge.sources.open import open_source


def frames_of(uri, **options):
    with contextlib.closing(open_source(str(uri), camera_id="c", **options)) as source:
        return list(source), source.skipped


def write(path, pixels):
    assert cv2.imwrite(str(path), pixels)
    return path


def plain(value, height=8, width=12):
    return np.full((height, width, 3), value, np.uint8)


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment that holds nothing but an orientation behind the start of a JPEG."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_an_image_is_one_frame_in_bgr(tmp_path):
    pixels = plain((10, 20, 30))
    before = time.monotonic_ns()
    (frame,), skipped = frames_of(write(tmp_path / "a.png", pixels))
    assert np.array_equal(frame.pixels, pixels)
    assert (frame.color, frame.index, frame.source_id, skipped) == ("BGR", 0, "c", 0)
    assert before <= frame.captured_ns <= time.monotonic_ns()


def test_a_picture_is_turned_as_its_exif_data_asks(tmp_path):
    upright = plain(0, 40, 80)
    upright[:, :40] = 255
    ok, data = cv2.imencode(".jpg", np.rot90(upright))
    assert ok
    (tmp_path / "a.jpg").write_bytes(with_exif(data.tobytes(), 6))  # 6: turn clockwise to see it upright
    pixels = read_picture(tmp_path / "a.jpg")
    assert pixels.shape == (40, 80, 3)
    assert pixels[20, 10].min() > 200
    assert pixels[20, 70].max() < 50


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.full((4, 4), 90, np.uint8), (90, 90, 90)),
        (np.full((4, 4, 3), 90 * 256 + 7, np.uint16), (90, 90, 90)),
        (np.full((4, 4, 4), (10, 20, 30, 40), np.uint8), (10, 20, 30)),
    ],
    ids=["grey", "16 bits", "alpha"],
)
def test_other_kinds_of_pictures_become_8_bit_bgr(tmp_path, pixels, expected):
    result = read_picture(write(tmp_path / "a.png", pixels))
    assert (result.dtype, result.shape) == (np.uint8, (4, 4, 3))
    assert tuple(int(value) for value in result[1, 1]) == expected


def test_a_name_that_is_not_ascii_is_no_obstacle(tmp_path):
    path = tmp_path / "größe ✓.png"
    path.write_bytes(cv2.imencode(".png", plain(9))[1].tobytes())
    assert len(frames_of(path)[0]) == 1


@pytest.mark.parametrize("name", ["snapshot", "cam.tmp", "1.jpg.1"])
def test_a_picture_is_known_by_its_first_bytes_too(tmp_path, name):
    write(tmp_path / "a.png", plain(9)).rename(tmp_path / name)
    (frame,), _ = frames_of(tmp_path / name)
    assert frame.pixels.shape == (8, 12, 3)


def test_a_folder_is_read_in_natural_order_and_nothing_else_in_it(tmp_path):
    for name in ("10.png", "9.png", "a2.JPG", "A10.jpg", "a1.bmp", ".hidden.png"):
        write(tmp_path / name.replace("JPG", "jpg"), plain(1)).rename(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "sub.png").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["9.png", "10.png", "a1.bmp", "a2.JPG", "A10.jpg"]
    frames, _ = frames_of(tmp_path)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]


def cut_jpeg():
    data = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[1].tobytes()
    return data[: len(data) // 2]


def cut_png():
    data = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[1].tobytes()
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "bad", [b"", b"no picture at all", cut_jpeg(), cut_png()], ids=["empty", "text", "jpeg", "png"]
)
def test_an_unreadable_picture_is_skipped_counted_and_logged_once(tmp_path, caplog, bad):
    write(tmp_path / "1.png", plain(1))
    for name in ("2.jpg", "3.jpg", "4.jpg"):
        (tmp_path / name).write_bytes(bad)
    write(tmp_path / "5.png", plain(5))
    with caplog.at_level(logging.INFO, "mnv2_edge"):
        frames, skipped = frames_of(tmp_path)
    assert [frame.index for frame in frames] == [0, 4]
    assert skipped == 3
    first, last = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "2.jpg" in first.getMessage()
    assert "3 of 5" in last.getMessage()


@pytest.mark.parametrize(
    "bad", [b"", b"no picture at all", cut_jpeg(), cut_png()], ids=["empty", "text", "jpeg", "png"]
)
def test_an_unreadable_picture_on_its_own_is_an_error_at_opening(tmp_path, bad):
    (tmp_path / "a.jpg").write_bytes(bad)
    with pytest.raises(SourceError, match=r"a\.jpg"):
        open_source(str(tmp_path / "a.jpg"), camera_id="c")


def test_bytes_behind_a_jpegs_end_do_no_harm(tmp_path):
    data = cv2.imencode(".jpg", plain(3))[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data + b"a film of two seconds" * 100)
    assert read_picture(tmp_path / "a.jpg").shape == (8, 12, 3)


def test_what_is_not_there_is_said_so(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"no .*missing\.jpg: expected demo, a picture.*`mnv2-edge cameras`"):
        open_source(str(tmp_path / "missing.jpg"), camera_id="c")
    with pytest.raises(SourceError, match="holds no picture: expected files named"):
        open_source(str(tmp_path), camera_id="c")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        open_source(str(tmp_path / "pipe.jpg"), camera_id="c")


def test_what_may_not_be_read_is_said_so(tmp_path, monkeypatch):
    def refuse(path, _size):
        raise PermissionError(13, "Permission denied", str(path))

    path = write(tmp_path / "a.png", plain(1))
    monkeypatch.setattr(readable, "read_start", refuse)  # a mode of 0 would not stop root
    with pytest.raises(SourcePermissionError, match=r"may not be read by this user: `ls -l .*a\.png`") as caught:
        open_source(str(path), camera_id="c")
    assert caught.value.exit_status == 77


@pytest.mark.parametrize(
    ("query", "message"),
    [("?size=3x3", "no option 'size': expected fps"), ("?fps=fast", "not a rate"), ("?fps=3", "add --pace realtime")],
)
def test_options_that_make_no_sense_are_refused(tmp_path, query, message):
    path = write(tmp_path / "a.png", plain(1))
    with pytest.raises(UsageError, match=message):
        open_source(f"{path}{query}", camera_id="c")


def test_a_paced_folder_comes_at_its_rate(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", plain(number))
    with contextlib.closing(open_source(f"{tmp_path}?fps=50", camera_id="c", pace="realtime")) as source:
        assert source.live
        stamps = [frame.captured_ns for frame in source]
    assert np.diff(stamps) == pytest.approx(20_000_000, rel=0.001)


def test_closing_ends_the_wait_for_the_next_picture(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", plain(number))
    source = open_source(f"{tmp_path}?fps=0.01", camera_id="c", pace="realtime")
    taken = []
    reader = threading.Thread(target=lambda: taken.extend(source))
    reader.start()
    time.sleep(0.05)
    source.close()
    source.close()
    reader.join(5)
    assert not reader.is_alive()
    assert len(taken) == 1
