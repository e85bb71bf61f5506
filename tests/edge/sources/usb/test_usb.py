import os
from pathlib import Path

import pytest

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode, users_of
from mnv2_edge.errors import SourceNotFoundError, UsageError
from mnv2_edge.sources.open import open_source
from mnv2_edge.sources.usb.node import find_usb


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    for folder, name, node in (
        ("by-id", "usb-046d_0825_A1-video-index0", "video0"),
        ("by-path", "pci-usb-0:1:1.0-video-index0", "video0"),
        ("by-path", "pci-usb-0:2:1.0-video-index0", "video2"),
    ):
        (tmp_path / node).touch()
        (tmp_path / "v4l" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "v4l" / folder / name).symlink_to(tmp_path / node)
    return tmp_path


def camera(dev: Path, number: int, serial: str) -> Camera:
    stable = dev / f"v4l/by-path/pci-usb-0:{number // 2 + 1}:1.0-video-index0"
    node = VideoNode(dev / f"video{number}", "Webcam", 0, "uvcvideo", f"usb{number}", "046d:0825", serial, stable)
    return Camera(str(number // 2), node, "", ())


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("usb-046d_0825_A1-video-index0", "video0"),
        ("pci-usb-0:2:1.0-video-index0", "video2"),
        ("A1", "video0"),
        ("B2", "video2"),
    ],
)
def test_what_stays_the_same_finds_the_camera(dev: Path, name: str, node: str) -> None:
    cameras = (camera(dev, 0, "A1"), camera(dev, 2, "B2"))
    assert find_usb(name, cameras, dev / "v4l").resolve() == dev / node


def test_a_serial_number_that_two_have_names_neither(dev: Path) -> None:
    cameras = (camera(dev, 0, "0001"), camera(dev, 2, "0001"))
    with pytest.raises(UsageError, match=r"usb:pci-usb-0:1:1\.0-video-index0, usb:pci-usb-0:2"):
        find_usb("0001", cameras, dev / "v4l")


@pytest.mark.parametrize("name", ["", "C3", "../video0"])
def test_an_absent_camera_is_said_with_what_is_there(dev: Path, name: str) -> None:
    with pytest.raises(SourceNotFoundError, match=r"no usb:.*0 is Webcam"):
        find_usb(name, (camera(dev, 0, ""),), dev / "v4l")


def test_the_scheme_is_registered() -> None:
    with pytest.raises(SourceNotFoundError, match="usb:no-such-camera"):
        open_source("usb:no-such-camera?fps=5", camera_id="cam")


def test_who_has_a_device_open_is_found_out(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.touch()
    for pid, target in (("41", node), ("42", tmp_path), (str(os.getpid()), node)):
        (tmp_path / "proc" / pid / "fd").mkdir(parents=True)
        (tmp_path / "proc" / pid / "fd" / "3").symlink_to(target)
        (tmp_path / "proc" / pid / "comm").write_text("motion\n")
    (tmp_path / "proc" / "43").mkdir()
    (tmp_path / "proc" / "meminfo").touch()
    assert users_of(node, tmp_path / "proc") == ("motion (41)",)
    assert users_of(node) == ()


def test_nothing_is_asked_of_what_others_have_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on a share whose server is gone hangs whoever looks at it; the kernel tells its name without."""
    node, elsewhere = tmp_path / "video0", tmp_path / "share/file"
    node.touch()
    (tmp_path / "proc/41/fd").mkdir(parents=True)
    (tmp_path / "proc/41/fd/3").symlink_to(elsewhere)
    lstat = os.lstat

    def answer(path: str | os.PathLike[str]) -> os.stat_result:
        assert not str(path).startswith(str(elsewhere.parent)), "this would hang"
        return lstat(path)

    monkeypatch.setattr(os, "lstat", answer)
    assert users_of(node, tmp_path / "proc") == ()
