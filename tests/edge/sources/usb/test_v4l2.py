"""USB cameras: a device that behaves as OpenCV's V4L2 capture does, unplugged and plugged in again."""

import logging
import os
import time

import cv2
import numpy as np
import pytest

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.errors import SourceError, SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.usb.node import check_access, find_node
from mnv2_edge.sources.usb.v4l2 import V4l2Request, V4l2Source

SIZES = {"YUYV": (640, 480), "MJPG": (1920, 1080)}


class UsbCamera:
    """A webcam on its bus. Opening it twice is not possible; unplugged, its node still opens but gives nothing."""

    def __init__(self):
        self.plugged = True
        self.taken = 0
        self.opened: FakeCapture | None = None

    def open(self, _node, request):
        capture = FakeCapture(self, request)
        if self.opened is None:
            self.opened = capture
        return capture


class FakeCapture:
    """What `cv2.VideoCapture` does on a node: the driver grants what it has, and stamps each picture."""

    def __init__(self, camera: UsbCamera, request: V4l2Request):
        self.camera = camera
        self.width, self.height = min(request.size, SIZES[request.fourcc])
        self.fps = min(request.fps, 30.0)
        self.fourcc = request.fourcc
        self.stamp_ns = 0
        self.stamped = True

    def isOpened(self):  # noqa: N802 - OpenCV's name
        return True

    def read(self):
        if not self.camera.plugged or self.camera.opened is not self:
            return False, None
        self.camera.taken += 1
        self.stamp_ns = time.monotonic_ns() - 3_000_000
        return True, np.full((self.height, self.width, 3), self.camera.taken, np.uint8)

    def get(self, prop):
        return {
            cv2.CAP_PROP_FRAME_WIDTH: self.width,
            cv2.CAP_PROP_FRAME_HEIGHT: self.height,
            cv2.CAP_PROP_FPS: self.fps,
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*self.fourcc)),
            cv2.CAP_PROP_POS_MSEC: self.stamp_ns / 1e6 if self.stamped else 0.0,
        }[prop]

    def set(self, prop, value):
        raise AssertionError("only whoever opens a capture sets its properties")

    def release(self):
        if self.camera.opened is self:
            self.camera.opened = None


NODE = "/dev/video7"


@pytest.fixture
def camera():
    return UsbCamera()


def open_on(camera, **request):
    return V4l2Source(NODE, V4l2Request(**request), "c", camera.open)


def test_pictures_come_in_bgr_from_the_first_one_on(camera):
    source = open_on(camera)
    frames = [frame for frame, _ in zip(source, range(3), strict=False)]
    assert [(frame.index, int(frame.pixels[0, 0, 0]), frame.color) for frame in frames] == [
        (0, 1, "BGR"),
        (1, 2, "BGR"),
        (2, 3, "BGR"),
    ]
    assert (source.live, source.endless, source.skipped) == (True, True, 0)


def test_the_drivers_stamp_counts_when_it_makes_sense(camera):
    source = open_on(camera)
    frame = next(iter(source))
    assert frame.captured_ns == pytest.approx(camera.opened.stamp_ns, abs=1000)
    camera.opened.stamped = False  # a stamp of 0 is none: long ago on this clock
    before = time.monotonic_ns()
    assert next(iter(source)).captured_ns >= before


def test_what_was_asked_and_granted_is_logged_once(camera, caplog):
    with caplog.at_level(logging.INFO, "mnv2_edge"):
        source = open_on(camera, size=(4000, 3000), fps=60.0, fourcc="MJPG")
        list(zip(source, range(3), strict=False))
    (record,) = caplog.records
    assert "asked for 4000x3000 MJPG at 60 frames/s, granted 1920x1080 MJPG at 30" in record.getMessage()


def test_unplugging_is_an_error_and_frees_the_camera(camera):
    source = open_on(camera)
    iterator = iter(source)
    next(iterator)
    camera.plugged = False
    with pytest.raises(SourceError, match=r"/dev/video7 gives no more pictures: unplugged\?.*`mnv2-edge cameras`"):
        next(iterator)
    source.close()
    assert camera.opened is None


def test_a_camera_counts_as_open_only_with_a_picture(camera):
    camera.plugged = False
    with pytest.raises(SourceError, match=r"gives no picture.*`sudo fuser -v /dev/video7`") as caught:
        open_on(camera)
    assert caught.value.exit_status == 69
    assert camera.opened is None
    camera.plugged = True
    assert next(iter(open_on(camera))).index == 0


def test_a_camera_in_use_is_said_so(camera):
    first = open_on(camera)
    with pytest.raises(SourceError, match="does another program use it"):
        open_on(camera)
    first.close()
    open_on(camera).close()


def test_closing_ends_the_iteration_without_an_error(camera):
    source = open_on(camera)
    iterator = iter(source)
    next(iterator)
    source.close()
    source.close()
    assert list(iterator) == []
    assert camera.opened is None


def test_pictures_that_are_no_colour_are_refused(camera, monkeypatch):
    monkeypatch.setattr(FakeCapture, "read", lambda _self: (True, np.zeros((4, 4), np.uint16)))
    with pytest.raises(SourceError, match=r"uint16 pictures of shape \[4, 4\].*format="):
        open_on(camera)
    assert camera.opened is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, V4l2Request((640, 480), 30.0, "YUYV")),
        ({"size": "1280x720"}, V4l2Request((1280, 720), 30.0, "MJPG")),
        ({"fps": "60"}, V4l2Request((640, 480), 60.0, "MJPG")),
        ({"size": "1280x720", "fps": "10", "format": "YUYV"}, V4l2Request((1280, 720), 10.0, "YUYV")),
    ],
)
def test_what_is_asked_for(query, expected):
    assert V4l2Request.from_query(SourceOptions("0", "c", None, query)) == expected


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("0?size=big", "not a size: expected WIDTHxHEIGHT"),
        ("0?size=0x480", "not a size"),
        ("0?fps=-1", "not a rate"),
        ("0?format=h264", "expected mjpg or yuyv"),
        ("0?sise=640x480", "no option 'sise': expected format, fps, size"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_opened(uri, message):
    with pytest.raises(UsageError, match=message):
        open_source(uri, camera_id="c")


def test_a_camera_cannot_be_read_flat_out():
    with pytest.raises(UsageError, match="own rate"):
        open_source("0", camera_id="c", pace="max")


def test_what_is_no_camera_is_said_so():
    with pytest.raises(SourceError, match="/dev/null cannot be opened as a camera"):
        open_source("/dev/null", camera_id="c")


def test_no_permission_names_the_group(monkeypatch, tmp_path):
    def refuse(path, _flags):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourcePermissionError, match=r"group video with `sudo usermod -aG video \$USER`") as caught:
        check_access(tmp_path / "video0")
    assert caught.value.exit_status == 77


def test_a_node_that_went_between_listing_and_opening_is_said_so(tmp_path):
    with pytest.raises(SourceNotFoundError, match="No such file"):
        check_access(tmp_path / "video0")


def test_only_usable_cameras_have_numbers(tmp_path):
    ribbon = Camera(
        "picamera:0", VideoNode(tmp_path / "video0", "unicam-image", 0, "unicam", "csi"), "ribbon camera", ()
    )
    webcam = Camera("0", VideoNode(tmp_path / "video1", "Webcam", 0, "uvcvideo", "usb"), "", ())
    assert find_node("0", (ribbon, webcam)) == tmp_path / "video1"
    with pytest.raises(SourceNotFoundError, match=r"no camera 1: 0 is Webcam .*; ribbon camera"):
        find_node("1", (ribbon, webcam))
