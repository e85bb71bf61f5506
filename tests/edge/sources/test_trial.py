import json
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mnv2_edge import __main__ as program
from mnv2_edge.errors import SourceError
from mnv2_edge.frames import Frame
from mnv2_edge.sources.trial import examine_source
from support.command import call, errors
from support.fakes import FilmSource
from support.mjpeg_server import MjpegServer


def test_a_good_camera_raises_no_doubt() -> None:
    class Bright(FilmSource):
        def __iter__(self):
            for frame in super().__iter__():
                frame.pixels[...] = 120
                yield frame

    film = Bright(10**6, live=True, endless=True, period_s=0.1)
    report, last = examine_source(film, 1.0, threading.Event())
    assert report.doubts == ()
    assert 5 < report.rate < 10.1
    assert report.missed == report.skipped == report.backward == 0
    assert (report.width, report.height, report.color) == (8, 8, "RGB")
    assert last is not None
    assert last.index == report.frames - 1


def test_everything_that_is_wrong_is_said() -> None:
    class Odd(FilmSource):
        def __iter__(self):
            now = time.monotonic_ns()
            for index, stamp in ((0, 0), (1, 10), (4, 5), (5, 400)):
                pixels = np.zeros((4, 4, 3), np.uint8)
                yield Frame(pixels, "BGR", index, now - 2_000_000_000 + stamp * 1_000_000, "cam")
            raise SourceError("the cable fell out")

    report, _ = examine_source(Odd(0, live=True, endless=True), 5, threading.Event())
    assert report.missed == 2
    assert report.backward == 1
    text = "; ".join(report.doubts)
    for word in ("cable", "do not grow", "old when they arrive", "black"):
        assert word in text


def test_a_silent_camera_does_not_hold_it_up() -> None:
    class Silent(FilmSource):
        def __iter__(self):
            yield from super().__iter__()
            self.closed.wait(20)

    began = time.monotonic()
    report, _ = examine_source(Silent(1, live=True, endless=True), 0.2, threading.Event())
    assert time.monotonic() - began < 3
    assert report.trouble == "it fell silent"


def test_the_command_reports_and_saves_a_picture(tmp_path: Path) -> None:
    server = MjpegServer(fps=50)
    try:
        saved = tmp_path / "seen.jpg"
        done = call("cameras", "test", server.url, "--seconds", "1", "--save", saved, home=tmp_path)
        assert done.returncode in (0, 1), done.stderr
        assert "frames/s" in done.stdout
        assert cv2.imread(str(saved)).shape == (48, 64, 3)
        assert done.stdout.count(str(saved)) == 1
        assert "written over" not in done.stdout
        done = call("cameras", "test", server.url, "--seconds", "1", "--save", saved, "--json", home=tmp_path)
        report = json.loads(done.stdout)
        assert report["frames"] > 10
        assert (report["saved"], report["replaced"]) == (str(saved), True)
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["/dev/video77"], 69, "/dev/video77"),
        (["rtsp://ann:hush@host/x"], 2, "MNV2_EDGE_CAMERA_PASSWORD"),
        (["demo", "--seconds", "0.5", "--save", "x.nonsense"], 2, "png"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, arguments: list[str], status: int, word: str) -> None:
    done = call("cameras", "test", *arguments, home=tmp_path)
    assert done.returncode == status
    (line,) = errors(done.stderr)
    assert word in line


def test_a_picture_that_is_there_is_not_lost_unsaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    watch = ["cameras", "test", "demo", "--seconds", "0.5"]
    for name in ("mnv2-edge-camera.png", "mnv2-edge-camera-2.png", "mnv2-edge-camera-3.png"):
        program.main(watch)
        assert f"  picture {name}\n" in capsys.readouterr().out
        assert cv2.imread(name) is not None
    Path("aim.png").write_text("an older one")
    program.main([*watch, "--save", "aim.png"])
    assert "  picture aim.png (written over)\n" in capsys.readouterr().out
    assert cv2.imread("aim.png") is not None
