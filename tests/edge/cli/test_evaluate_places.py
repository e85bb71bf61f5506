"""`mnv2-edge evaluate` of segmenters and detectors: a network whose answer is known, and trained ones."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from support.command import call, errors
from support.onnx_networks import Network
from support.pages import check

pytest.importorskip("pycocotools")
pytest.importorskip("PIL")
SIDE = 32
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
"""Of the classes, RGB."""


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a segmenter whose class is the strongest colour of each pixel."""
    folder = tmp_path_factory.mktemp("painter")
    network = Network((1, 3, SIDE, SIDE))
    network.node("Conv", ["x", network.constant(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1))], kernel_shape=[1, 1])
    onnx.save(network.model(), folder / "painter.onnx")
    (folder / "painter.yaml").write_text(
        "preprocess: {color: RGB, mean: 127.5, std: 127.5, resize: stretch}\n"
        "task: segment\n"
        "labels: [red, green, blue]\n"
    )
    return build(folder / "painter.onnx")


def build(model: Path) -> Path:
    """Build a float engine, which needs no pictures."""
    output = model.with_suffix(".tflite")
    done = call("build-engine", model, "--precision", "fp32", "--output", output, home=model.parent)
    assert done.returncode == 0, done.stderr
    return output


def paint(folder: Path) -> Path:
    """Write two pictures in stripes of the three colours, and their masks; the second one lies about its first half."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    classes = np.repeat(np.uint8([0, 1, 2, 2]), SIDE // 4)[np.newaxis].repeat(SIDE, axis=0)
    picture = np.uint8(COLORS)[classes][:, :, ::-1]
    for name in ("honest", "lying"):
        cv2.imwrite(str(folder / "images" / f"{name}.png"), picture)
    cv2.imwrite(str(folder / "masks" / "honest.png"), classes)
    cv2.imwrite(str(folder / "masks" / "lying.png"), np.where(classes == 0, 1, classes))
    return folder


def evaluate(engine, data, home, *more):
    done = call("evaluate", "--model", engine, "--data", data, *more, home=home)
    assert "Traceback" not in done.stderr
    return done


def test_areas_are_judged_pixel_by_pixel(painter, tmp_path):
    data = paint(tmp_path / "data")
    done = evaluate(painter, data, tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    ious = {one["label"]: one["iou"] for one in told["engine"]["classes"]}
    assert ious == {"red": 0.5, "green": pytest.approx(2 / 3), "blue": 1.0}
    assert told["engine"]["mean_iou"] == pytest.approx((0.5 + 2 / 3 + 1) / 3)
    assert told["engine"]["pixel_accuracy"] == pytest.approx(7 / 8)
    assert told["float"]["mean_iou"] == told["engine"]["mean_iou"]
    assert told["worst"][0]["picture"] == "images/lying.png"
    assert told["notes"] == []


def test_a_person_reads_tables_and_looks_at_a_page(painter, tmp_path):
    report = tmp_path / "report.html"
    done = evaluate(painter, paint(tmp_path / "data"), tmp_path, "--report", report, "--min-accuracy", "0.9")
    assert done.returncode == 1
    assert "the accuracy is 72.22 %, below --min-accuracy 90 %" in errors(done.stderr)[0]
    assert "mean IoU    72.2 %" in done.stdout
    assert check(report.read_text()).tags.count("img") == 2


def test_what_the_network_does_not_see_is_not_judged(painter, tmp_path):
    data = paint(tmp_path / "data")
    for folder in ("images", "masks"):  # twice as wide: the middle half is seen
        for path in (data / folder).iterdir():
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(path), cv2.resize(picture, (2 * SIDE, SIDE), interpolation=cv2.INTER_NEAREST))
    told = json.loads(evaluate(painter, data, tmp_path, "--json", "--resize", "center-crop").stdout)
    assert told["engine"]["unseen"] == pytest.approx(0.5)
    assert "50.0 % of the pixels lie outside of what the network sees" in told["notes"][0]


def test_masks_that_cannot_be_used_are_named(painter, tmp_path):
    data = paint(tmp_path / "data")
    cv2.imwrite(str(data / "masks" / "lying.png"), np.full((SIDE, SIDE), 9, np.uint8))
    done = evaluate(painter, data, tmp_path)
    assert done.returncode == 0
    assert "has class 9, the network has 3 labels, from 0" in done.stdout
    cv2.imwrite(str(data / "masks" / "honest.png"), np.zeros((3, 4), np.uint8))
    done = evaluate(painter, data, tmp_path)
    assert done.returncode == 69
    assert "is 4x3, its picture 32x32" in errors(done.stderr)[0]


def test_class_folders_are_for_classifiers(painter, tmp_path):
    done = evaluate(painter, tmp_path, tmp_path)
    assert done.returncode == 2
    assert "a segmenter needs" in errors(done.stderr)[0]


def test_the_bird_and_its_mask(shared, tmp_path):
    """0.905 is what bare LiteRT reaches with this file."""
    for kind, name in (("images", "bird_segmentation.bmp"), ("masks", "bird_segmentation_mask.bmp")):
        (tmp_path / "data" / kind).mkdir(parents=True)
        shutil.copy(shared / "images" / name, tmp_path / "data" / kind / "bird.bmp")
    model = shared / "models" / "deeplabv3_mnv2_pascal_quant.tflite"
    told = json.loads(evaluate(model, tmp_path / "data", tmp_path, "--task", "segment", "--json").stdout)
    (bird,) = (one for one in told["engine"]["classes"] if one["class_id"] == 3)
    assert bird["iou"] == pytest.approx(0.905, abs=0.003)


@pytest.fixture(scope="module")
def people(shared, tmp_path_factory):
    """Build the pedestrian detector in float, and write its reference's people as COCO annotations."""
    folder = tmp_path_factory.mktemp("people")
    shutil.copy(shared / "models" / "ped_ssdlite_300.onnx", folder / "people.onnx")
    (folder / "people.yaml").write_text(
        "labels: [background, person]\npreprocess: {color: RGB, mean: 127.5, std: 127.5, resize: stretch}\n"
        "detection: {anchors: ssd}\n"
    )
    build(folder / "people.onnx")
    reference = np.load(shared / "models" / "ped_ref.npz")
    content = {"images": [], "annotations": [], "categories": [{"id": 44, "name": "Person"}, {"id": 7, "name": "bus"}]}
    for number, name in enumerate(("bus", "zidane")):
        cv2.imwrite(str(folder / f"{name}.png"), reference[f"{name}_img"][:, :, ::-1])
        content["images"].append({"id": number, "file_name": f"{name}.png"})
        content["annotations"] += [
            {"image_id": number, "category_id": 44, "bbox": [300 * x for x in (left, top, right - left, bottom - top)]}
            for top, left, bottom, right in reference[f"{name}_boxes"][:2].tolist()
        ]
    content["annotations"].append({"image_id": 0, "category_id": 7, "bbox": [0, 0, 200, 200]})
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


def test_people_have_an_average_precision(people, tmp_path):
    done = evaluate(people / "people.tflite", people / "instances.json", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["boxes"], told["pictures"]["judged"]) == (4, 2)
    assert told["engine"]["ap50"] == pytest.approx(1.0)
    assert told["engine"]["ap"] >= 0.95
    assert told["float"]["ap"] == told["engine"]["ap"]
    assert [one["label"] for one in told["engine"]["classes"]] == ["Person"]
    assert told["notes"] == ["left out, since the network has no such label: bus"]
    assert {one["picture"]: one["missed"] for one in told["worst"]}.get("zidane.png", 0) == 0


def test_boxes_in_the_wrong_place_are_none(people, tmp_path):
    content = json.loads((people / "instances.json").read_text())
    for annotation in content["annotations"]:
        annotation["bbox"][0] = 300 - annotation["bbox"][0] - annotation["bbox"][2]  # mirrored
    (tmp_path / "mirrored.json").write_text(json.dumps(content))
    report = tmp_path / "report.html"
    done = evaluate(
        people / "people.tflite", tmp_path / "mirrored.json", tmp_path,
        "--pictures", people, "--min-accuracy", "0.5", "--report", report,
    )  # fmt: skip
    assert done.returncode == 1
    assert "AP50" in done.stdout
    assert "MOST MISTAKES" in done.stdout
    page = report.read_text()
    assert check(page).tags.count("img") == len(told_worst(people, tmp_path))
    assert "missed Person" in page
    assert "no Person (0." in page


def told_worst(people: Path, folder: Path) -> list[dict[str, object]]:
    done = evaluate(people / "people.tflite", folder / "mirrored.json", folder, "--pictures", people, "--json")
    worst = json.loads(done.stdout)["worst"]
    assert worst[0]["picture"] == "bus.png"
    assert all(one["missed"] + one["not_there"] > 0 for one in worst)
    return worst


def test_pictures_without_a_thing_are_nothing_to_judge(people, tmp_path):
    content = json.loads((people / "instances.json").read_text())
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    (tmp_path / "crowds.json").write_text(json.dumps(content))
    done = evaluate(people / "people.tflite", tmp_path / "crowds.json", tmp_path, "--pictures", people)
    assert done.returncode == 2
    assert "no box of what the network knows is in the 2 pictures" in errors(done.stderr)[0]


def test_a_detector_wants_annotations(people, tmp_path):
    done = evaluate(people / "people.tflite", people, tmp_path)
    assert done.returncode == 2
    assert "is not a file of annotations: a detector needs COCO's JSON" in errors(done.stderr)[0]
