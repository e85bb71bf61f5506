import cv2
import numpy as np
import pytest

from mnv2_edge.errors import SourceError, SourceNotFoundError, UsageError
from mnv2_edge.evaluation.mask_folders import read_mask, read_mask_folders
from mnv2_engines.tasks.class_map import voc_palette

Image = pytest.importorskip("PIL.Image")
CLASSES = np.uint8([[0, 1, 15], [255, 20, 0]])


@pytest.mark.parametrize("folders", [("images", "masks"), ("JPEGImages", "SegmentationClass")])
def test_pictures_are_paired_with_their_masks(tmp_path, folders):
    for folder, names in zip(
        folders, (("1.jpg", "2.jpg", "10.jpg"), ("2.png", "10.png", "7.png", "2.txt")), strict=True
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    found = read_mask_folders(tmp_path)
    assert [(picture.name, mask.name) for picture, mask in found.pairs] == [("2.jpg", "2.png"), ("10.jpg", "10.png")]
    assert found.without == 1


def test_other_layouts_are_told(tmp_path):
    with pytest.raises(UsageError, match=r"has no masks: .*images/NAME\.jpg and .*masks/NAME\.png"):
        read_mask_folders(tmp_path)
    with pytest.raises(SourceNotFoundError, match="there is no folder"):
        read_mask_folders(tmp_path / "nowhere")
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(SourceError, match="none of 0 pictures"):
        read_mask_folders(tmp_path)


def test_a_palette_gives_its_indices(tmp_path):
    mask = Image.fromarray(CLASSES, mode="P")
    mask.putpalette(voc_palette().tobytes())
    mask.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), CLASSES)


def test_grey_levels_are_classes(tmp_path):
    cv2.imwrite(str(tmp_path / "mask.png"), CLASSES)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), CLASSES)


def test_what_is_no_mask(tmp_path):
    cv2.imwrite(str(tmp_path / "color.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(SourceError, match=r"has colours \(RGB\): expected class numbers"):
        read_mask(tmp_path / "color.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(SourceError, match="cannot be read"):
        read_mask(tmp_path / "text.png")
