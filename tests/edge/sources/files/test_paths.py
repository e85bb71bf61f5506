from pathlib import Path

import pytest

from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.config.rules import require_valid
from mnv2_edge.errors import SourcePermissionError, exit_status_of
from mnv2_edge.sources import SourceOptions
from mnv2_edge.sources.files.files import open_file, what_is_at
from mnv2_edge.sources.uri import CameraUri, parse_uri
from support.users import closed_to_us


def test_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    assert what_is_at(tmp_path) == "folder"
    assert what_is_at(tmp_path / "cat.jpg") == "file"
    assert what_is_at(Path("/dev/null")) == "other"
    for name in ("nowhere", "a\0b", "x" * 5000):
        assert what_is_at(tmp_path / name) == "nothing"


def test_what_may_not_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    with closed_to_us(tmp_path):
        assert parse_uri(str(path)) == CameraUri("file", str(path), {})
        with pytest.raises(SourcePermissionError, match=r"cat\.jpg may not be read by this user: `namei -l"):
            what_is_at(path)


def test_opening_it_ends_a_command_with_status_77(tmp_path: Path) -> None:
    for path in (tmp_path / "cat.jpg", tmp_path / "film.mp4"):
        with closed_to_us(tmp_path), pytest.raises(SourcePermissionError) as caught:
            open_file(SourceOptions(str(path), "cam", None, {}, ""))
        assert exit_status_of(caught.value) == 77


def test_so_does_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    with closed_to_us(tmp_path), pytest.raises(SourcePermissionError):
        open_file(SourceOptions(str(tmp_path), "cam", None, {}, ""))


def test_a_configuration_that_names_it_is_sound(tmp_path: Path) -> None:
    with closed_to_us(tmp_path):
        require_valid(Config(version=1, cameras=(CameraConfig(uri=str(tmp_path / "cat.jpg")),)))
