"""Models that are removed: nothing of them is left, and nothing of others is lost."""

import threading

import pytest

from mnv2_engines.catalogue import (
    CatalogueModel,
    KnownModels,
    NewModel,
    PullOptions,
    RemoteFile,
    add_model,
    pull_model,
    read_package_catalogue,
    read_pins,
    read_pulled,
    read_user_catalogue,
    remove_model,
)
from mnv2_engines.catalogue.entries import Catalogue
from mnv2_engines.errors import CatalogueError, ContractError, DownloadError

TFLITE = b"\x1c\0\0\0TFL3" + bytes(5000)
STATED = CatalogueModel(description="d", licence="l")


@pytest.fixture
def known(server, home):
    """Know `cats` and `dogs` of the package, whose hashes nobody publishes, and what the user added."""
    server.files["cats.tflite"] = server.files["dogs.tflite"] = TFLITE
    models = {
        name: CatalogueModel(
            description="d",
            licence="l",
            files=(RemoteFile(name=f"{name}.tflite", urls=(f"{server.url}/{name}.tflite",)),),
        )
        for name in ("cats", "dogs")
    }

    def known():
        return KnownModels(Catalogue(version=1, models={**models, "demo": STATED}), read_user_catalogue(home.catalogue))

    return known


@pytest.fixture
def pull(known, home, retries):
    return lambda name: pull_model(name, known().find(name), home, PullOptions(retries=retries))


@pytest.fixture
def add(known, home, retries, tmp_path):
    def add(name):
        file = tmp_path / f"{name}.tflite"
        file.write_bytes(TFLITE)
        return add_model(NewModel(name, str(file), None, STATED), known(), home, PullOptions(retries=retries))

    return add


def test_nothing_is_left_of_it_and_others_stay(known, pull, home):
    pull("cats")
    pull("dogs")
    removed = remove_model("cats", known(), home)
    assert removed.size > len(TFLITE)
    assert not removed.own
    assert not home.folder("cats").exists()
    assert not home.parts("cats").exists()
    assert list(read_pins(home.pins)) == ["dogs/dogs.tflite"]
    assert read_pulled(home.folder("dogs"))


def test_what_is_pulled_next_is_trusted_anew(known, pull, home, server):
    pull("cats")
    remove_model("cats", known(), home)
    server.files["cats.tflite"] = TFLITE + b"another"
    assert pull("cats").fresh


def test_one_that_was_added_leaves_the_catalogue(known, add, home):
    add("mine")
    add("others")
    assert remove_model("mine", known(), home).own
    assert list(read_user_catalogue(home.catalogue).models) == ["others"]
    add("mine")  # the name is free


def test_the_last_one_leaves_an_empty_catalogue(known, add, home):
    add("mine")
    remove_model("mine", known(), home)
    assert read_user_catalogue(home.catalogue).models == {}


def test_an_entry_whose_folder_was_removed_by_hand_goes_too(known, add, home):
    add("mine")
    for file in home.folder("mine").iterdir():
        file.unlink()
    home.folder("mine").rmdir()
    assert remove_model("mine", known(), home).size == 0
    assert read_user_catalogue(home.catalogue).models == {}


def test_unfinished_downloads_go_too(known, pull, home, server):
    server.script = [server.broken_after(1000, ETag='"1"')] + [server.status(404)] * 3
    with pytest.raises(DownloadError):
        pull("cats")
    assert list(home.parts("cats").iterdir())
    assert remove_model("cats", known(), home).size >= 1000
    assert not home.parts("cats").exists()


def test_a_removal_that_was_killed_can_be_repeated(known, add, home, monkeypatch):
    add("mine")

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mnv2_engines.catalogue.user_models.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_model("mine", known(), home)
    assert not home.folder("mine").exists()  # never half a model
    remove_model("mine", known(), home)
    assert not home.parts("mine").exists()
    assert "mine" not in known().models


def test_a_folder_that_is_a_link_is_removed_and_not_what_it_points_to(known, pull, home, tmp_path):
    pull("cats")
    home.folder("cats").rename(tmp_path / "elsewhere")
    home.folder("cats").symlink_to(tmp_path / "elsewhere")
    remove_model("cats", known(), home)
    assert not home.folder("cats").is_symlink()
    assert (tmp_path / "elsewhere" / "cats.tflite").is_file()


def test_a_pull_that_is_at_it_is_waited_for(known, pull, home):
    pull("cats")
    told, done = threading.Event(), threading.Event()

    def remove():
        remove_model("cats", known(), home, told.set)
        done.set()

    with home.alone_with("cats"):
        thread = threading.Thread(target=remove)
        thread.start()
        assert told.wait(30)
        assert not done.is_set()
        assert home.folder("cats").exists()
    thread.join(30)
    assert not home.folder("cats").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("demo", "comes with the package"),
        ("dogs", "nothing of dogs is on this device"),
        ("catz", "did you mean cats"),
        ("../cats", "there is no model"),
    ],
)
def test_what_cannot_be_removed(known, pull, home, name, said):
    pull("cats")
    with pytest.raises(ContractError, match=said):
        remove_model(name, known(), home)
    assert read_pulled(home.folder("cats"))


def test_pins_that_cannot_be_read_are_not_written_over(known, pull, home):
    pull("cats")
    home.pins.write_text("{")
    with pytest.raises(CatalogueError, match="restore it, or remove it"):
        remove_model("cats", known(), home)
    assert read_pulled(home.folder("cats"))


def test_the_packages_names_cannot_be_forgotten(home):
    with pytest.raises(ContractError, match="nothing of mobilenet-v2 is on this device"):
        remove_model("mobilenet-v2", KnownModels(read_package_catalogue()), home)
