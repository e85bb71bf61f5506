import json

import pytest

from mnv2_edge.errors import SourceNotFoundError, UsageError
from mnv2_edge.evaluation.coco import read_coco
from mnv2_engines.evaluation.detection import TruthBox


def write(folder, **more):
    content = {
        "info": {"year": 2026},
        "images": [{"id": 7, "file_name": "1.jpg", "width": 9}, {"id": 8, "file_name": "2.jpg"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "bbox": [1, 2, 3, 4],
                "area": 9.5,
                "iscrowd": 0,
                "segmentation": [],
            },
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 2.5, 2], "iscrowd": 1},
            {"id": 3, "image_id": 99, "category_id": 3, "bbox": [0, 0, 1, 1]},
        ],
        "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}],
    } | more
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def test_pictures_and_their_boxes(tmp_path):
    (tmp_path / "1.jpg").touch()
    data = read_coco(write(tmp_path), None)
    assert data.categories == {3: "cat"}
    first, second = data.pictures
    assert first.path == tmp_path / "1.jpg"
    assert first.boxes == (TruthBox(3, 1, 2, 3, 4, 9.5), TruthBox(3, 0, 0, 2.5, 2, 5.0, crowd=True))
    assert second.boxes == ()


def test_pictures_elsewhere(tmp_path):
    path = write(tmp_path)
    with pytest.raises(SourceNotFoundError, match=r"1\.jpg is not there: say where they are with --pictures DIR"):
        read_coco(path, None)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "2.jpg").touch()
    assert read_coco(path, tmp_path / "val").root == tmp_path / "val"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"images": [{"id": "x"}]}', "\xff"])
def test_what_is_no_coco_file(tmp_path, content):
    path = tmp_path / "instances.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError, match="holds no COCO annotations"):
        read_coco(path, None)


def test_no_file(tmp_path):
    with pytest.raises(SourceNotFoundError, match="there is no"):
        read_coco(tmp_path / "instances.json", None)
