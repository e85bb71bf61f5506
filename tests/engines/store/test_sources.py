"""What is kept with an engine says all that a build is asked for."""

import dataclasses
import hashlib
from pathlib import Path

import msgspec
import pytest

from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.building.verification import AccuracyLimits
from mnv2_engines.engine.facts import FileFacts
from mnv2_engines.engine.task_facts import DetectionFacts, SegmentationFacts
from mnv2_engines.errors import BuildError, CorruptEngineError
from mnv2_engines.preprocessing.preprocess import Preprocess, ResizePolicy
from mnv2_engines.store.recipe import decode_recipe, encode_recipe
from mnv2_engines.store.sources import read_recipe, read_request, write_sources

ELSEWHERE = {"model", "output", "calibration", "validation", "threads", "cache_dir"}
"""Fields that are files beside the recipe, or whoever builds again knows better."""


@pytest.fixture
def asked(signs_model: Path, signs_pictures) -> BuildRequest:
    """Ask for something with a value of its own in every field that a recipe has to hold."""
    return BuildRequest(
        model=signs_model,
        output=Path("nowhere"),
        preprocess=Preprocess("BGR", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), ResizePolicy("center-crop", 0.875)),
        calibration=Pictures("scenes", signs_pictures[:3]),
        validation=Pictures("others", signs_pictures[3:5]),
        name="signs",
        target="tensorrt",
        precision="fp16",
        task="detect",
        labels=("go", "stop"),
        detection=DetectionFacts(nms_iou=0.5),
        segmentation=SegmentationFacts(background=3),
        limits=AccuracyLimits(sqnr_db=20.0, agreement=0.5),
        accept_loss=True,
        private=True,
        workspace_mib=77,
        optimization_level=1,
    )


def write(folder: Path, request: BuildRequest) -> Path:
    raw = request.model.read_bytes()
    built_from = FileFacts(file="signs.onnx", sha256=hashlib.sha256(raw).hexdigest(), bytes=len(raw))
    write_sources(folder / "source", request, built_from)
    return folder / "source"


def test_no_field_of_a_request_is_lost(asked: BuildRequest, tmp_path: Path) -> None:
    again = read_request(write(tmp_path, asked), threads=3, cache_dir=tmp_path)
    assert (again.threads, again.cache_dir) == (3, tmp_path)
    for field in dataclasses.fields(BuildRequest):
        if field.name in ELSEWHERE:
            continue
        assert getattr(asked, field.name) != field.default, f"{field.name} needs a value of its own in this test"
        assert getattr(again, field.name) == getattr(asked, field.name), field.name


def test_at_most_64_and_32_pictures_are_kept_and_say_of_how_many_they_are(
    asked: BuildRequest, signs_pictures, tmp_path: Path
) -> None:
    many = Pictures("film", signs_pictures * 2)
    first = write(tmp_path, dataclasses.replace(asked, calibration=many, validation=many, private=False))
    again = read_request(first, threads=1, cache_dir=None)
    (tmp_path / "again").mkdir()
    for recipe in (read_recipe(first), read_recipe(write(tmp_path / "again", again))):
        assert (recipe.calibration.count, recipe.calibration.source) == (64, "film (64 of 80)")
        assert (recipe.verification.count, recipe.verification.source) == (32, "film (32 of 80)")


def test_a_recipe_that_makes_no_sense_is_refused_whatever_its_checksum(asked: BuildRequest, tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, dataclasses.replace(asked, private=False)))
    for changes in (
        {"name": "../signs"},
        {"name": "a\x1b[2J"},
        {"model": msgspec.structs.replace(recipe.model, file="../signs.onnx")},
        {"preprocess": msgspec.structs.replace(recipe.preprocess, std=(0.0, 1.0, 1.0))},
        {"calibration": msgspec.structs.replace(recipe.calibration, count=100_000)},
    ):
        raw = encode_recipe(msgspec.structs.replace(recipe, **changes))
        with pytest.raises(CorruptEngineError) as caught:
            decode_recipe(raw, Path("recipe.json"))
        assert "\x1b" not in str(caught.value)


def test_a_recipe_of_a_later_release_says_so() -> None:
    raw = b'{"format": "mnv2-edge recipe", "version": 2, "more": true}'
    with pytest.raises(CorruptEngineError, match="is a recipe of version 2, this program reads version 1: build the"):
        decode_recipe(raw, Path("recipe.json"))


@pytest.mark.parametrize("name", ["my model.onnx", "net.bin", "recipe.json.onnx", ".onnx"])
def test_a_model_keeps_its_name_where_that_is_a_plain_one(asked: BuildRequest, tmp_path: Path, name: str) -> None:
    model = tmp_path / name
    model.write_bytes(asked.model.read_bytes())
    folder = write(tmp_path, dataclasses.replace(asked, model=model))
    kept = read_recipe(folder).model.file
    assert kept == (name if name == "recipe.json.onnx" else "model.onnx")
    assert (folder / kept).read_bytes() == model.read_bytes()


def test_a_private_build_leaves_no_picture_and_says_what_that_costs(asked: BuildRequest, tmp_path: Path) -> None:
    private = write(tmp_path, asked)
    assert not list(private.glob("*.png"))
    assert read_recipe(private).private is True
    assert read_request(private, threads=1, cache_dir=None).private
    (tmp_path / "int8").mkdir()
    int8 = write(tmp_path / "int8", dataclasses.replace(asked, target="litert", precision="int8"))
    with pytest.raises(BuildError, match="built with --private"):
        read_request(int8, threads=1, cache_dir=None)


def test_pictures_are_kept_for_their_owner_alone_and_older_programs_read_the_recipe(
    asked: BuildRequest, tmp_path: Path
) -> None:
    folder = write(tmp_path, dataclasses.replace(asked, private=False))
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.png")} == {0o600}
    assert b"private" not in (folder / "recipe.json").read_bytes()
