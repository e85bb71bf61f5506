import getpass
from pathlib import Path

import msgspec
import pytest

from mnv2_edge.demo import render
from mnv2_edge.errors import ConfigError
from mnv2_edge.service.engines import copy_engine, find_engine, find_pulled, stores_of_installer
from mnv2_engines.building.request import BuildRequest, Pictures
from mnv2_engines.catalogue.home import PullRecord
from mnv2_engines.demo import demo_engine_path
from mnv2_engines.preprocessing.frame_path import fit_picture
from mnv2_engines.preprocessing.preprocess import Preprocess
from mnv2_engines.store import Store
from mnv2_engines.store.build import build_stored
from mnv2_engines.store.readiness import verify_stored


@pytest.fixture(scope="module")
def users(tmp_path_factory) -> Store:
    """Return the store of a user who has built the demo network."""
    store = Store(tmp_path_factory.mktemp("home"))
    pictures = [fit_picture(render(5, 40 * scene), "RGB", 96, 96, Preprocess())[0] for scene in range(20)]
    request = BuildRequest(
        model=demo_engine_path().with_suffix(".onnx"),
        output=Path("nowhere"),
        preprocess=Preprocess(),
        calibration=Pictures("scenes", pictures[:12]),
        validation=Pictures("others", pictures[12:]),
        name="signs",
        task="classify",
    )
    build_stored(store, request).require_installed()
    return store


@pytest.fixture
def services(tmp_path) -> Store:
    return Store(tmp_path / "state")


def test_an_engine_is_brought_and_verified(users, services):
    assert find_engine("signs", [users], services) == (users, "signs")
    assert copy_engine(users, "signs", services, as_default=False)
    assert verify_stored(services, "signs").state == "ok"
    assert [path.name for path in services.folder.parent.iterdir()] == ["engines"]


def test_again_and_as_the_default(users, services):
    for _ in range(2):
        copy_engine(users, "signs", services, as_default=True)
    assert services.names() == ("signs",)
    assert services.default() == "signs"


def test_where_none_is_named_the_default_one_is_meant(users, services):
    users.set_default("signs")
    assert find_engine(None, [Store(services.folder), users], services) == (users, "signs")


def test_nobody_has_built_one_so_the_demo_network_runs(services):
    assert find_engine(None, [services], services) is None


def test_the_service_may_have_it_already(users, services, tmp_path):
    copy_engine(users, "signs", services, as_default=False)
    assert find_engine("signs", [Store(tmp_path / "empty")], services) is None


def test_a_name_that_nobody_has(users, services):
    with pytest.raises(ConfigError, match=r"no engine is called birds in .*build-engine"):
        find_engine("birds", [users], services)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("mobilenet-v2", "`mnv2-edge build-engine mobilenet-v2 --calibration FOLDER`"),
        ("coral-mobilenet-v2", "`mnv2-edge models pull coral-mobilenet-v2`"),
    ],
)
def test_a_model_of_the_catalogue_comes_with_the_command_that_brings_it(users, services, name, command):
    assert find_pulled(name, [users], services) is None
    with pytest.raises(ConfigError, match=f"{command}, then install the service again"):
        find_engine(name, [users], services)


def test_who_types_sudo_has_a_store_too(tmp_path):
    user = getpass.getuser()
    stores = stores_of_installer({"HOME": str(tmp_path), "SUDO_USER": user})
    assert [store.folder for store in stores] == [
        tmp_path / ".local/share/mnv2-edge/engines",
        Path(f"~{user}").expanduser() / ".local/share/mnv2-edge/engines",
    ]
    assert len(stores_of_installer({"HOME": str(tmp_path), "SUDO_USER": "nobody-of-that-name"})) == 1


def test_a_pulled_model_is_found_where_no_engine_has_its_name(tmp_path, services, users):
    installer = Store(tmp_path / "installer")
    folder = tmp_path / "installer" / "models" / "coral-mobilenet-v2"
    folder.mkdir(parents=True)
    assert find_pulled("coral-mobilenet-v2", [installer], services) is None
    model = folder / "coral-mobilenet-v2.tflite"
    model.write_bytes(demo_engine_path().read_bytes())
    record = PullRecord(
        model=model.name, model_sha256="", file="", sha256="", size=0, source="", hash_was="none", pulled=""
    )
    (folder / "pulled.json").write_bytes(msgspec.json.encode(record))
    assert find_pulled("coral-mobilenet-v2", [users, installer], services) == model
    assert find_pulled("demo", [installer], services) == demo_engine_path()
    assert find_pulled("signs", [users, installer], services) is None
    assert find_pulled("nowhere", [installer], services) is None
