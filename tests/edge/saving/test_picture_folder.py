"""A folder of pictures keeps to its limit."""

import os

import pytest

from mnv2_edge.errors import AccessError, UsageError
from mnv2_edge.saving import picture_folder as folder_module
from mnv2_edge.saving.picture_folder import FolderFullError, PictureFolder


def names(path):
    return sorted(file.name for file in path.iterdir())


def test_pictures_are_kept_whole_and_nothing_else_is_left(tmp_path):
    folder = PictureFolder(tmp_path / "a" / "b", 1000)
    folder.keep("one.jpg", b"x" * 400)
    assert (tmp_path / "a" / "b" / "one.jpg").read_bytes() == b"x" * 400
    assert names(folder.path) == ["one.jpg"]


def test_the_limit_counts_what_is_there_and_what_is_replaced(tmp_path):
    (tmp_path / "before.jpg").write_bytes(b"x" * 500)
    folder = PictureFolder(tmp_path, 1000)
    folder.keep("one.jpg", b"x" * 400)
    with pytest.raises(FolderFullError, match="the limit is"):
        folder.keep("two.jpg", b"x" * 101)
    folder.keep("one.jpg", b"x" * 500)
    with pytest.raises(FolderFullError):
        folder.keep("two.jpg", b"x")
    assert names(tmp_path) == ["before.jpg", "one.jpg"]


def test_what_others_delete_makes_room(tmp_path):
    """A job that removes old pictures: what counts is what is there, not all that was ever written."""
    folder = PictureFolder(tmp_path, 1000)
    for number in range(20):
        folder.keep(f"{number}.jpg", b"x" * 400)
        (tmp_path / f"{number}.jpg").unlink()
    folder.keep("one.jpg", b"x" * 1000)
    with pytest.raises(FolderFullError):
        folder.keep("two.jpg", b"x")


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path, monkeypatch):
    folder = PictureFolder(tmp_path, 1 << 30)
    usage = folder_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(folder_module.shutil, "disk_usage", lambda _: usage._replace(free=usage.total // 25))
    with pytest.raises(FolderFullError, match="nearly full"):
        folder.keep("one.jpg", b"x")
    assert names(tmp_path) == []


def test_what_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose another"):
        PictureFolder(tmp_path / "file", 1000)
    with pytest.raises(UsageError, match="choose another"):
        PictureFolder(tmp_path / "file" / "below", 1000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(AccessError, match="may not be written"):
        PictureFolder(tmp_path / "new", 1000)
    with pytest.raises(AccessError, match="may not be written"):
        PictureFolder(tmp_path, 1000)
