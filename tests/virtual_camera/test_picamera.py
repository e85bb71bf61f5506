"""The ribbon camera's source on picamera2 0.3.38, unmodified, and libcamera 0.4's virtual cameras.

Unlike a Pi's these give NV12 whatever is asked for, tell nothing but SensorTimestamp, and need no dma-heap.
"""

import json
import re

import numpy as np
import pytest

from support.virtual_cameras import CHART, SIGN

pytestmark = [pytest.mark.roots, pytest.mark.timeout(300)]


@pytest.fixture
def ask(guest):
    """Return a function that gives what camera.py printed."""
    return lambda *args: json.loads(guest(*args).stdout.splitlines()[-1])


def test_what_was_granted_is_read_back_and_the_colours_are_right(ask):
    """BGR is asked for, NV12 is given: taken for what was asked, the picture would be another size and green."""
    seen = ask("look", "picamera:0", "size=1280x720", "5", "1")
    assert seen["granted"]["main"] == [1280, 720, "NV12"]
    assert seen["shape"] == [720, 1280, 3]
    assert "camera0: picamera:0 asked for 1280x720, granted 1280x720 NV12 (main)" in seen["log"]
    assert seen["indices"] == [0, 1, 2, 3, 4]
    assert "SMPTE170M" in seen["colour space"]  # picamera2 by itself would take Rec709 at this size, and be given 601
    assert not any("does not say what its colours mean" in line for line in seen["log"])
    assert np.abs(np.array(seen["corners"]) - CHART.reshape(4, 3).astype(int)).max() <= 24


def test_a_size_that_the_camera_has_not_is_taken_as_it_is_granted(ask):
    seen = ask("look", "picamera:0", "size=600x400", "2", "1")
    width, height, _ = seen["granted"]["main"]
    assert seen["shape"] == [height, width, 3]
    assert (width, height) != (600, 400)
    assert any(f"asked for 600x400, granted {width}x{height} NV12" in line for line in seen["log"])


def test_the_small_stream_is_read_when_it_is_asked_for(ask):
    seen = ask("look", "picamera:0", "size=1280x720&lores=640x480&fps=30", "3", "1")
    assert seen["granted"] == {"main": [1280, 720, "NV12"], "lores": [640, 480, "NV12"]}
    assert seen["shape"] == [480, 640, 3]
    assert "FrameDurationLimits" in seen["controls"]
    assert np.abs(np.array(seen["corners"]) - CHART.reshape(4, 3).astype(int)).max() <= 24


def test_the_sensors_stamp_is_the_time_of_capture(ask):
    seen = ask("look", "picamera:0", "", "20", "1")
    assert len(seen["captured_ns"]) == 20
    assert seen["captured_ns"] == seen["sensor_ns"]
    assert (np.diff(seen["captured_ns"]) > 0).all()
    assert min(seen["age_ms"]) > 0
    assert np.median(seen["age_ms"]) < 200


def test_closing_and_opening_again_leaves_nothing_open(ask):
    seen = ask("look", "picamera:0", "", "2", "12")
    assert seen["indices"] == [0, 1]
    assert len(seen["files"]) == 12
    assert max(seen["files"][6:]) <= max(seen["files"][:3]) + 3, seen["files"]
    assert len(seen["threads"]) <= 3, seen["threads"]


def test_it_keeps_the_contract_of_a_source(ask):
    assert ask("contract", "picamera:1") == {"kept": True}


def test_a_read_that_hangs_ends_when_it_is_closed_and_the_camera_opens_again(ask):
    seen = ask("unplug", "picamera:0")
    assert seen["read hung"]
    assert seen["read ended"]
    assert seen["seconds to close"] < 3
    assert seen["frames"] == [0, 0]


def test_a_camera_that_is_not_there_is_told_from_those_that_are(ask):
    seen = ask("refused", "picamera:2", "")
    assert seen["error"] == "SourceNotFoundError"
    assert "Chart" in seen["message"]
    assert "Film" in seen["message"]


def test_a_camera_in_use_is_said_to_be(ask):
    seen = ask("refused", "picamera:0", "")
    assert seen["error"] == "SourceError"
    assert "another program" in seen["message"]


def test_labels_come_out_of_the_whole_way(guest):
    done = guest("run", "run", "--camera", "picamera:1", "--max-frames", "5", "--format", "jsonl")
    results = [record for line in done.stdout.splitlines() if "predictions" in (record := json.loads(line))]
    assert [result["predictions"][0]["label"] for result in results] == [SIGN] * 5
    assert "granted 640x480 NV12 (main)" in done.stderr


def test_they_are_listed_with_what_to_type(guest):
    entries = json.loads(guest("run", "cameras", "--json").stdout)
    cameras = {entry["name"]: entry for entry in entries}
    assert sorted(entry["camera"] for entry in entries) == ["picamera:0", "picamera:1"]
    assert cameras.keys() == {"Chart", "Film"}
    for entry in entries:
        assert entry["usable"]
        assert entry["id"]
        assert entry["formats"]
        assert all(re.fullmatch(r"\d+x\d+", size) for size in entry["formats"])
    done = guest("run", "cameras")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["CAMERA", "picamera:0", "picamera:1"]


def test_what_is_listed_can_be_opened(guest):
    entries = json.loads(guest("run", "cameras", "--json").stdout)
    (film,) = [entry["camera"] for entry in entries if entry["name"] == "Film"]
    done = guest("run", "run", "--camera", film, "--max-frames", "2", "--format", "jsonl")
    results = [record for line in done.stdout.splitlines() if "predictions" in (record := json.loads(line))]
    assert {result["predictions"][0]["label"] for result in results} == {SIGN}
