"""What a user may type for a camera."""

import pytest

from mnv2_edge.errors import UsageError
from mnv2_edge.sources.uri import CameraUri, parse_uri


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("demo", CameraUri("demo", "demo", {})),
        ("demo?seed=7&fps=15", CameraUri("demo", "demo", {"seed": "7", "fps": "15"})),
        ("0", CameraUri("v4l2", "0", {})),
        ("12?size=1280x720", CameraUri("v4l2", "12", {"size": "1280x720"})),
        ("/dev/video0?fps=30&format=mjpg", CameraUri("v4l2", "/dev/video0", {"fps": "30", "format": "mjpg"})),
        ("/dev/v4l/by-id/usb-046d:0825-index0", CameraUri("v4l2", "/dev/v4l/by-id/usb-046d:0825-index0", {})),
        ("cat.jpg", CameraUri("file", "cat.jpg", {})),
        ("../films/night 1.mp4?fps=10", CameraUri("file", "../films/night 1.mp4", {"fps": "10"})),
        ("c:cat.jpg", CameraUri("file", "c:cat.jpg", {})),
        ("file:cat.jpg", CameraUri("file", "cat.jpg", {})),
        ("file:///srv/cat.jpg", CameraUri("file", "/srv/cat.jpg", {})),
        ("rtsp://me:secret@host:554/stream", CameraUri("rtsp", "rtsp://me:secret@host:554/stream", {})),
        ("RTSP://host/", CameraUri("rtsp", "RTSP://host/", {})),
        ("my-plug.in:anything goes", CameraUri("my-plug.in", "my-plug.in:anything goes", {})),
        ("demo?title=", CameraUri("demo", "demo", {"title": ""})),
    ],
)
def test_what_is_meant(text, expected):
    assert parse_uri(text) == expected


@pytest.mark.parametrize("name", ["what?.jpg", "a?b=1", "my:camera.avi", "rtsp:"])
def test_a_file_that_exists_is_that_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert parse_uri(name) == CameraUri("file", name, {})


@pytest.mark.parametrize("name", ["demo", "3"])
def test_a_file_with_the_name_of_a_source_needs_a_dot(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert parse_uri(name).kind != "file"
    assert parse_uri(f"./{name}") == CameraUri("file", f"./{name}", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("demo?fast", "not options"),
        ("0?fps=1&fps=2", "'fps' is given more than once"),
    ],
)
def test_what_makes_no_sense_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_uri(text)
