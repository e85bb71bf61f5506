"""From what a user typed to an opened source."""

import contextlib
import sys
import types

import cv2
import numpy as np
import pytest

from mnv2_edge.errors import PluginError, SourceNotFoundError, UsageError
from mnv2_edge.frames import Frame
from mnv2_edge.sources import FrameSource, SourceOptions
from mnv2_edge.sources.open import open_source


def test_the_demo_is_opened_with_its_options():
    with contextlib.closing(open_source("demo?frames=2&size=96x64", camera_id="c", pace="max")) as source:
        frames = list(source)
    assert [(frame.index, frame.pixels.shape, frame.source_id) for frame in frames] == [
        (0, (64, 96, 3), "c"),
        (1, (64, 96, 3), "c"),
    ]


def test_a_turned_camera_gives_upright_frames(tmp_path):
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:10, :10] = 255
    cv2.imwrite(str(tmp_path / "a.png"), np.rot90(upright))  # the camera lies on its side
    with contextlib.closing(open_source(str(tmp_path / "a.png"), camera_id="c", rotate=90)) as source:
        assert np.array_equal(next(iter(source)).pixels, upright)
        assert (source.live, source.endless, source.skipped) == (False, False, 0)


@pytest.mark.parametrize("uri", ["srt://me:secret@host/stream", "onvif:0", "ndi:studio"])
def test_a_source_that_is_not_installed_is_named_and_the_password_is_not(uri):
    with pytest.raises(UsageError, match=r"no source '\w+': expected demo, a file.*`mnv2-edge plugins`") as caught:
        open_source(uri, camera_id="c")
    assert "secret" not in str(caught.value)


def test_a_camera_that_is_not_there_is_said_so():
    with pytest.raises(SourceNotFoundError, match=r"no camera 9999.*`mnv2-edge cameras`") as caught:
        open_source("9999", camera_id="c")
    assert caught.value.exit_status == 69


class Strange:
    """A third party's source."""

    live, endless, skipped = True, True, 0

    def __init__(self, options: SourceOptions) -> None:
        self.options = options
        self.closed = False

    def __iter__(self):
        yield Frame(np.zeros((2, 3, 3), np.uint8), "RGB", 0, 1, self.options.camera_id)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Register sources as an installed distribution does, by the metadata on the import path."""

    def register(points: str) -> None:
        info = tmp_path / "strange-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mnv2_edge.sources]\n{points}\n")
        (tmp_path / "strange_cameras.py").write_text(
            "made = []\n"
            "def open_strange(options):\n"
            "    from strange_parts import Strange\n"
            "    made.append(Strange(options))\n"
            "    return made[-1]\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))

    return register


def test_a_third_partys_source_is_opened_by_its_scheme(plug_in, monkeypatch):
    parts = types.ModuleType("strange_parts")
    parts.Strange = Strange
    monkeypatch.setitem(sys.modules, "strange_parts", parts)
    plug_in("strange = strange_cameras:open_strange")
    source: FrameSource = open_source("strange:42?depth=3", camera_id="c", secret="hush", rotate=90)
    frame = next(iter(source))
    assert frame.pixels.shape == (3, 2, 3)
    source.close()
    import strange_cameras

    (made,) = strange_cameras.made
    assert made.closed
    assert made.options == SourceOptions("strange:42", "c", None, {"depth": "3"}, "hush")
    assert "secret" not in repr(made.options)


def test_a_broken_plug_in_is_said_so(plug_in):
    plug_in("broken = strange_cameras:missing")
    with pytest.raises(PluginError, match="broken"):
        open_source("broken:1", camera_id="c")
