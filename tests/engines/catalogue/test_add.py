"""A user's own models: installed, remembered with their hashes, and pulled again."""

import hashlib
import threading

import pytest

from mnv2_engines.catalogue import (
    CatalogueModel,
    KnownModels,
    ModelHome,
    NewModel,
    PullOptions,
    StatedPreprocess,
    add_model,
    pull_model,
    read_package_catalogue,
    read_user_catalogue,
)
from mnv2_engines.engine.sidecar import read_sidecar
from mnv2_engines.errors import CatalogueError, ContractError, DownloadError, LabelsError, ModelError
from mnv2_engines.labels import read_labels
from mnv2_engines.tflite import read_model_interface
from support.networks import MobileNetV2, state_dict
from support.torch_format import save_zip
from support.users import closed_to_us, open_folder

TFLITE = b"\x1c\0\0\0TFL3" + bytes(5000)
STATED = CatalogueModel(
    description="mine", licence="mine", task="detect", preprocess=StatedPreprocess(resize="letterbox")
)


@pytest.fixture
def add(home, retries):
    def add(source, *, name="cats", labels=None, stated=STATED):
        known = KnownModels(read_package_catalogue(), read_user_catalogue(home.catalogue))
        return add_model(NewModel(name, str(source), labels, stated), known, home, PullOptions(retries=retries))

    return add


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine" / "cats_v2.tflite"
    path.parent.mkdir()
    path.write_bytes(TFLITE)
    return path


def test_a_file_is_installed_and_remembered_with_its_hash(add, file, home):
    labels = file.with_name("cats.txt")
    labels.write_text("0 cat\n1 kitten\n")
    path = add(file, labels=str(labels)).path
    assert path == home.folder("cats") / "cats.tflite"
    beside = read_sidecar(path)
    assert (beside.task, str(beside.resize)) == ("detect", "letterbox")
    assert read_labels(beside.labels_file) == ("cat", "kitten")
    entry = read_user_catalogue(home.catalogue).models["cats"]
    assert [found.sha256 for found in entry.files] == [
        hashlib.sha256(content).hexdigest() for content in (TFLITE, labels.read_bytes())
    ]
    assert entry.files[0].size == len(TFLITE)
    assert entry.description == "mine"


def test_an_address_can_be_pulled_again_and_is_held_to_its_hash(add, server, home, retries):
    server.files["dir/cats%20v2.tflite"] = TFLITE
    with pytest.raises(ContractError, match="is not a file name"):
        add(f"{server.url}/dir/cats%20v2.tflite")
    server.files["dir/cats.tflite"] = TFLITE
    path = add(f"{server.url}/dir/cats.tflite").path
    entry = read_user_catalogue(home.catalogue).models["cats"]
    path.unlink()
    assert pull_model("cats", entry, home, PullOptions(retries=retries)).path.read_bytes() == TFLITE
    path.unlink()
    server.files["dir/cats.tflite"] = TFLITE + b"x"
    with pytest.raises(ModelError, match="expected 5008 bytes"):
        pull_model("cats", entry, home, PullOptions(retries=retries))


def test_a_file_is_pulled_again_from_a_mirror_only(add, file, home, retries):
    add(file).path.unlink()
    entry = read_user_catalogue(home.catalogue).models["cats"]
    with pytest.raises(DownloadError, match=r"no publisher of cats_v2\.tflite is known: put it into a folder"):
        pull_model("cats", entry, home, PullOptions(retries=retries))
    assert pull_model("cats", entry, home, PullOptions(retries=retries, mirror=file.parent)).fresh


def test_weights_are_prepared_for_as_their_framework_does(add, tmp_path):
    weights = save_zip(tmp_path / "birds.pth", state_dict(MobileNetV2(0.1, (32, 32), 4)))
    stated = CatalogueModel(description="", licence="", resolution=32)
    pulled = add(weights, name="birds", stated=stated)
    assert pulled.path.name == "birds.onnx"
    assert read_sidecar(pulled.path).mean == (123.675, 116.28, 103.53)
    assert str(read_sidecar(pulled.path).resize) == "center-crop:0.875"
    assert read_model_interface(pulled.path).input.size_hw == (32, 32)
    assert pulled.notes == ()


def test_labels_are_counted_where_the_file_tells_its_classes(add, tmp_path):
    weights = save_zip(tmp_path / "birds.pth", state_dict(MobileNetV2(0.1, (32, 32), 4)))
    with pytest.raises(LabelsError, match="imagenet has 1000 labels, the network has 4 classes"):
        add(weights, labels="imagenet")


def test_several_are_kept_beside_each_other(add, file, home):
    add(file, name="one")
    add(file, name="two", labels="coco")
    models = read_user_catalogue(home.catalogue).models
    assert list(models) == ["one", "two"]
    assert models["two"].labels == "coco"
    assert len(read_labels(read_sidecar(home.folder("two") / "two.tflite").labels_file)) == 90


@pytest.mark.parametrize(
    ("name", "said"), [("demo", "the package's catalogue has one"), ("a b", "is not a name for a model")]
)
def test_a_name_is_one_and_is_free(add, file, home, name, said):
    with pytest.raises(ContractError, match=said):
        add(file, name=name)
    assert read_user_catalogue(home.catalogue) is None


def test_a_name_is_not_given_twice(add, file):
    add(file)
    with pytest.raises(ContractError, match="you added one before"):
        add(file)


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("none.tflite", ModelError, "there is no file"),
        ("model.exe", ContractError, "is not a model: expected .onnx, .tflite or weights"),
        ("text.tflite", ModelError, r"^text\.tflite is not a TFLite file"),
        ("text.onnx", ModelError, r"text\.onnx"),
    ],
)
def test_what_is_no_model_is_not_remembered(add, tmp_path, home, source, error, said):
    for name in ("model.exe", "text.tflite", "text.onnx"):
        (tmp_path / name).write_text("hello, hello")
    with pytest.raises(error, match=said):
        add(tmp_path / source)
    assert read_user_catalogue(home.catalogue) is None


@pytest.mark.parametrize("closed", ["mine/cats.tflite", "mine"])
def test_what_this_user_may_not_read_is_not_laid_to_the_store(closed):
    with open_folder() as folder:
        for name in ("mine", "home"):
            (folder / name).mkdir()
        (folder / "home").chmod(0o777)
        file = folder / "mine" / "cats.tflite"
        file.write_bytes(TFLITE)
        known, home = KnownModels(read_package_catalogue()), ModelHome(folder / "home" / "models")
        with closed_to_us(folder / closed), pytest.raises(ModelError, match="that this user may read"):
            add_model(NewModel("cats", str(file), None, STATED), known, home, PullOptions())


def test_a_catalogue_that_is_broken_is_not_written_over(add, file, home):
    home.root.mkdir(parents=True)
    home.catalogue.write_text("{")
    with pytest.raises(CatalogueError):
        add(file)
    assert home.catalogue.read_text() == "{"


def test_what_cannot_be_added_leaves_nothing(add, file, tmp_path, home):
    file.write_bytes(b"no model at all")
    for source in (file, tmp_path / "absent.tflite"):
        with pytest.raises(ModelError):
            add(source)
    assert [path.name for path in home.root.rglob("*")] == [".parts"]


def test_one_at_a_time_works_on_a_model_whoever_removes_the_folder_that_is_locked(home):
    inside, most = [], []

    def work():
        for _ in range(20):
            with home.alone_with("cats"):
                inside.append(1)
                most.append(len(inside))
                home.parts("cats").joinpath("part").write_bytes(b"")
                home.parts("cats").joinpath("part").unlink()
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) == 80
    assert not home.parts("cats").exists()
