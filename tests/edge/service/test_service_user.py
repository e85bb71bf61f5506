"""Root installs into folders of the service's user, who may have put traps there. Real users: as root alone."""

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import pytest

from mnv2_edge.errors import AccessError
from mnv2_edge.service import service_user as service
from mnv2_edge.service.installation import carry_out, plan_installation
from mnv2_edge.service.paths import ServicePaths
from mnv2_edge.service.service_user import acting_as_service
from mnv2_engines.errors import CorruptEngineError
from mnv2_engines.proof.self_test import load_in_child

NOBODY = pwd.getpwnam("nobody")
TEXT = "version: 1\ncameras: [{uri: 'rtsp://ann@one/', password_file: password}]\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as somebody else")


@pytest.fixture(autouse=True)
def _nobody_is_the_service(monkeypatch):
    monkeypatch.setattr(service, "USER", "nobody")


@pytest.fixture
def folder():
    """Return a folder that, other than pytest's, everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def paths(folder):
    return ServicePaths(folder / "root")


@pytest.fixture
def configuration(folder):
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "password").write_text("swordfish\n")
    (home / "password").chmod(0o600)
    (home / "door.yaml").write_text(TEXT)
    return home / "door.yaml"


def install(configuration, paths):
    plan = plan_installation(configuration, "door", paths, can_read=lambda _path: False)
    carry_out(plan, paths, lambda _engine: None)


def owners(folder):
    return {path.name: path.lstat().st_uid for path in (folder, *folder.rglob("*"))}


def test_who_we_are_in_the_block_and_after_it():
    with acting_as_service():
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (NOBODY.pw_uid, NOBODY.pw_gid, [NOBODY.pw_gid])
        started = subprocess.run(["id", "-ru"], capture_output=True, text=True, check=True)
    assert int(started.stdout) == NOBODY.pw_uid
    assert os.getresuid() == (0, 0, 0)
    assert os.getresgid() == (0, 0, 0)


def test_what_is_installed_is_the_services(configuration, paths):
    for _ in range(2):
        install(configuration, paths)
    assert owners(paths.state) == dict.fromkeys(("mnv2-edge", "instances", "door", "password"), NOBODY.pw_uid)
    assert (paths.files("door") / "password").read_text() == "swordfish\n"
    assert {path.stat().st_mode & 0o077 for path in paths.state.rglob("*")} == {0}
    assert paths.configuration("door").stat().st_uid == 0
    install(paths.configuration("door"), paths)
    assert (paths.files("door") / "password").read_text() == "swordfish\n"


def test_a_link_in_its_folder_leads_root_nowhere(configuration, paths, folder):
    install(configuration, paths)
    roots = folder / "roots"
    roots.mkdir()
    (roots / "door").mkdir()
    (roots / "door/kept").touch()
    instances = paths.files("door").parent
    instances.rename(instances.with_name("away"))
    instances.symlink_to(roots)
    with pytest.raises(AccessError):
        install(configuration, paths)
    assert owners(roots) == {"roots": 0, "door": 0, "kept": 0}
    assert roots.stat().st_mode & 0o777 == 0o755


def test_a_secret_of_roots_is_not_taken_for_a_copy_of_the_services(configuration, paths, folder):
    install(configuration, paths)
    shadow = folder / "shadow"
    shadow.write_text("root's\n")
    shadow.chmod(0o600)
    password = paths.files("door") / "password"
    password.unlink()
    password.symlink_to(shadow)
    with pytest.raises(AccessError):
        install(paths.configuration("door"), paths)
    assert [path for path in paths.state.rglob("*") if path.is_file() and not path.is_symlink()] == []


def test_what_is_started_meanwhile_has_not_roots_terminal(folder, monkeypatch):
    """It could type there (TIOCSTI), and root would run that."""
    script = 'read -r pid _ _ _ _ session _ < /proc/$$/stat; echo "$(id -u) $([ $pid = $session ] && echo own)" > "$1"'
    monkeypatch.setattr(
        "mnv2_engines.proof.self_test.module_command", lambda _module, path: ["/bin/sh", "-c", script, "sh", path]
    )
    folder.chmod(0o777)
    told = folder / "told"
    with pytest.raises(CorruptEngineError), acting_as_service():
        load_in_child(told)
    assert told.read_text() == f"{NOBODY.pw_uid} own\n"
    told.unlink()
    with pytest.raises(CorruptEngineError):
        load_in_child(told)
    assert told.read_text() == "0 \n"
