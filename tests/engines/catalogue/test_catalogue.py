"""What the package's catalogue says is sound, and a user's own is read with care."""

import hashlib

import pytest

from mnv2_engines.catalogue import KnownModels, RemoteFile, read_package_catalogue, read_user_catalogue
from mnv2_engines.catalogue.entries import CatalogueModel
from mnv2_engines.errors import CatalogueError, ContractError
from mnv2_engines.labels import read_labels
from mnv2_engines.labels.named import LISTS, list_path

ENTRY = """
version: 1
models:
  cats:
    description: two cats
    licence: mine
    files: [{name: cats.tflite, sha256: aaaaaaaa}]
"""


def test_every_model_says_where_it_is_and_what_it_may_be_used_for():
    catalogue = read_package_catalogue()
    assert catalogue.default == "mobilenet-v2"
    for name, model in catalogue.models.items():
        assert model.description, name
        assert model.licence, name
        assert all(file.urls for file in model.files), name
        assert all(url.startswith("https://") for file in model.files for url in file.urls), name


def test_a_hash_is_there_only_with_how_it_is_known():
    for model in read_package_catalogue().models.values():
        for file in model.files:
            assert bool(file.sha256) == bool(file.evidence), file.name
            if file.hash_kind == "whole":
                assert file.size is not None
            if file.hash_kind == "start":
                assert f"-{file.sha256}." in file.name  # torchvision's names carry it


def test_whole_hashes_are_those_of_real_files(shared):
    checked = 0
    for model in read_package_catalogue().models.values():
        for file in model.files:
            path = shared / "models" / file.name
            if path.exists():
                content = path.read_bytes()
                assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.sha256, file.size)
                checked += 1
            else:
                assert file.hash_kind != "whole", f"{file.name} is not at hand, so its hash was not verified"
    assert checked == 3


def test_labels_are_as_many_as_the_classes():
    for name, model in read_package_catalogue().models.items():
        if model.labels in LISTS:
            assert len(read_labels(list_path(model.labels).with_name(model.labels), model.classes)) == model.classes, (
                name
            )


def test_a_user_may_have_none(tmp_path):
    assert read_user_catalogue(tmp_path / "catalogue.yaml") is None


def test_the_package_keeps_its_names(tmp_path):
    path = tmp_path / "catalogue.yaml"
    path.write_text(ENTRY.replace("cats:", "mobilenet-v2:") + ENTRY.partition("models:\n")[2])
    known = KnownModels(read_package_catalogue(), read_user_catalogue(path))
    assert known.own == {"cats"}
    assert known.hidden == ("mobilenet-v2",)
    assert known.find("mobilenet-v2").details.startswith("MobileNetV2 1.0")
    assert known.find("cats").becomes == ".tflite"


def test_the_nearest_name_is_offered():
    known = KnownModels(read_package_catalogue())
    with pytest.raises(ContractError, match="did you mean coral-mobilenet-v2"):
        known.find("coral-mobilenetv2")
    with pytest.raises(ContractError, match="models list"):
        known.find("xyz")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("version: 1", "version: 2"), "version"),
        (("licence: mine", "license: mine"), "license"),
        (("cats.tflite", "../cats.tflite"), "is not a file name"),
        (("cats.tflite", "cats.exe"), "is not a model"),
        (("aaaaaaaa", "AAAA"), "is not a SHA-256"),
        (("sha256: aaaaaaaa", "urls: ['ftp://x/cats.tflite']"), "is not an address"),
        (("licence: mine", "licence: mine\n    preprocess: {resize: crop}"), "resize 'crop' is unknown"),
        (("  cats:", "  ../cats:"), "is not a name for a model"),
        (("  cats:", "  pins.json:"), "is not a name for a model"),
        (("  cats:", "  catalogue.yaml:"), "is not a name for a model"),
        (("licence: mine", "licence: mine\n    labels: cats.txt"), r"labels 'cats\.txt' and files \[\] .* do not fit"),
        (("aaaaaaaa}]", "aaaaaaaa}, {name: b.txt}]"), "expected the label file as the second file"),
        (("models:", "models: ["), "is not YAML"),
        (("version: 1", "version: 1\ndefault: dogs"), "default 'dogs' is not among the models"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, change, said):
    path = tmp_path / "catalogue.yaml"
    path.write_text(ENTRY.replace(*change))
    with pytest.raises(CatalogueError, match=said) as caught:
        read_user_catalogue(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_catalogue_that_cannot_be_read_is_not_taken_for_none(tmp_path):
    with pytest.raises(CatalogueError, match="Is a directory"):
        read_user_catalogue(tmp_path)


@pytest.mark.parametrize(
    ("files", "suffix"), [(("w.pth",), ".onnx"), (("m.onnx",), ".onnx"), (("m.tflite",), ".tflite")]
)
def test_weights_become_onnx(files, suffix):
    entry = CatalogueModel(description="", licence="", files=tuple(RemoteFile(name=name) for name in files))
    assert entry.becomes == suffix
