import os
import stat

import pytest

from mnv2_edge.errors import SourceNotFoundError, SourcePermissionError, UsageError
from mnv2_edge.evaluation.class_folders import read_class_folders


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_every_picture_below_a_class_folder_counts(tmp_path):
    touch(
        tmp_path / "dog" / "2.JPG",
        tmp_path / "dog" / "series" / "1.png",
        tmp_path / "cat" / "1.webp",
        tmp_path / "cat" / "notes.txt",
        tmp_path / "cat" / "phone.HEIC",
        tmp_path / "cat" / ".hidden.jpg",
        tmp_path / ".git" / "1.jpg",
        tmp_path / "empty" / "README",
        tmp_path / "loose.jpg",
    )
    found = read_class_folders(str(tmp_path))
    names = {folder: [path.name for path in paths] for folder, paths in found.pictures.items()}
    assert names == {"cat": ["1.webp"], "dog": ["2.JPG", "1.png"]}
    assert found.count == 3
    assert found.ignored == {".txt": 1, ".heic": 1, "README": 1}


def test_a_class_folder_may_be_a_link_and_links_below_are_not_followed(tmp_path):
    touch(tmp_path / "elsewhere" / "1.jpg", tmp_path / "data" / "cat" / "1.jpg")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(tmp_path / "elsewhere")
    found = read_class_folders(str(tmp_path / "data"))
    assert {folder: len(paths) for folder, paths in found.pictures.items()} == {"cat": 1, "dog": 1}


@pytest.mark.parametrize("camera", ["0", "/dev/video0", "demo", "rtsp://camera/1", "picamera:0"])
def test_a_camera_has_no_truth(camera):
    with pytest.raises(
        UsageError, match=r"is a camera, and the truth about its pictures is not known: expected a folder"
    ):
        read_class_folders(camera)


def test_what_holds_no_classes(tmp_path):
    with pytest.raises(UsageError, match="has no folders with pictures"):
        read_class_folders(str(tmp_path))
    touch(tmp_path / "1.jpg")
    with pytest.raises(UsageError, match=r"has pictures, but no class folders: expected .*/LABEL/PICTURE\.jpg"):
        read_class_folders(str(tmp_path))
    with pytest.raises(UsageError, match="is a file"):
        read_class_folders(str(tmp_path / "1.jpg"))
    with pytest.raises(SourceNotFoundError, match="there is no folder"):
        read_class_folders(str(tmp_path / "nowhere"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read(tmp_path):
    touch(tmp_path / "cat" / "1.jpg")
    (tmp_path / "cat").chmod(stat.S_IWUSR)
    try:
        with pytest.raises(SourcePermissionError, match="may not be read by this user"):
            read_class_folders(str(tmp_path))
    finally:
        (tmp_path / "cat").chmod(stat.S_IRWXU)
