"""Root runs and imports nothing that somebody else could have put there: docs/decisions/0064."""

import shlex
import shutil

import pytest

from support.booted import Booted
from support.installed import INSTALL_S, MQTT, config, make_other_bundle
from support.planted import WITNESS, hostile_environment, plant, run_by

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

HOME = "/home/mallory"
STATE, CACHE = "/var/lib/mnv2-edge", "/var/cache/mnv2-edge"


class Planted:
    """A system on which every folder that somebody else may write is full of what root had better not touch."""

    def __init__(self, machine: Booted) -> None:
        self.machine = machine

    def put(self, folder: str, owner: str) -> None:
        """Fill a folder inside, as its owner could."""
        here = self.machine.shared / "planted"
        shutil.rmtree(here, ignore_errors=True)
        plant(here, [self.machine.python], folder)
        self.machine.run("mkdir", "-p", folder)
        self.machine.run("cp", "-rT", "--no-preserve=ownership", "/shared/planted", folder)
        self.machine.run("chown", "-R", owner, folder)

    def run(self, *command: str, folder: str = "/tmp", status: int | None = 0, hostile: bool = True) -> str:
        """Run a command as root in a folder, with everything that others could hand over; return what it said."""
        variables = [f"{name}={value}" for name, value in hostile_environment(HOME).items()] if hostile else []
        done = self.machine.run("/usr/bin/env", "-C", folder, *variables, *command, check=False, timeout_s=INSTALL_S)
        assert status is None or done.returncode == status, f"{shlex.join(command)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def by_root(self) -> list[str]:
        """Return what root ran since the last time."""
        told = self.machine.run("cat", WITNESS).stdout
        self.machine.run("truncate", "--size=0", WITNESS)
        return run_by(0, told)


@pytest.fixture(scope="module")
def planted(bare):
    """Return the system, on which nothing is installed yet."""
    bare.run("useradd", "--create-home", "mallory")
    bare.run("install", "-m", "666", "/dev/null", WITNESS)
    it = Planted(bare)
    for folder in (HOME, "/tmp", "/var/tmp"):
        it.put(folder, "mallory")
    bare.run("chmod", "1777", "/tmp", "/var/tmp")
    bare.run("chown", "root:root", "/tmp", "/var/tmp")
    return it


@pytest.fixture(scope="module")
def installed(planted):
    """Return it with the service installed and run once, and its folders full as well."""
    planted.run("/shared/install.sh", "--offline", "/shared/bundle.tar")
    assert planted.by_root() == []
    planted.machine.write("/run/front.yaml", config(sinks=MQTT))
    planted.run("/usr/local/bin/mnv2-edge", "service", "install", "/run/front.yaml", folder=HOME)
    assert planted.by_root() == []
    for folder in (STATE, CACHE):
        planted.put(folder, "mnv2-edge:mnv2-edge")
    return planted


@pytest.mark.parametrize("folder", [HOME, "/tmp", "/var/tmp"])
def test_what_is_planted_would_tell(planted, folder):
    """Else everything below would prove nothing."""
    planted.run("python3", "-c", "import json, numpy", folder=folder, hostile=False)
    assert f"0 {folder}/json.py" in planted.by_root()
    planted.run("tar", "--version", folder=folder)
    assert f"0 {HOME}/bin/tar" in planted.by_root()


def test_installing(installed):
    """And the first instance, both of which have happened by now."""
    assert "front: active" in installed.run("/usr/local/bin/mnv2-edge", "service", "install", "/run/front.yaml")
    assert installed.by_root() == []


@pytest.mark.parametrize("folder", ["/tmp", HOME, STATE, CACHE])
@pytest.mark.parametrize(
    "command",
    [
        ("doctor",),
        ("doctor", "--fix"),
        ("service", "status"),
        ("config", "check", "/run/front.yaml"),
        ("setup", "--yes", "/run/chosen.yaml"),
    ],
    ids=" ".join,
)
def test_a_command_of_roots(installed, command, folder):
    installed.run("/usr/local/bin/mnv2-edge", *command, folder=folder, status=None)
    assert installed.by_root() == []


@pytest.mark.parametrize("path", ["/opt/mnv2-edge/current/venv/bin/mnv2-edge", "/usr/local/bin/mnv2-edge"])
def test_by_whichever_name_it_is_called(installed, path):
    installed.run(path, "plugins")
    assert installed.by_root() == []


def test_mending_at_boot(installed):
    """As the user of the service leaves its folders; where all fits, and where the environment is made again."""
    installed.machine.run("systemctl", "restart", "mnv2-edge-engines.service")
    assert installed.by_root() == []
    library = "/opt/mnv2-edge/current/venv/lib"
    installed.machine.run("mv", f"{library}/python{installed.machine.python}", f"{library}/python3.9")
    installed.machine.run("systemctl", "restart", "mnv2-edge-engines.service")
    log = installed.machine.run("journalctl", "-u", "mnv2-edge-engines", "--no-pager").stdout
    assert "making its environment again" in log
    assert installed.by_root() == []
    installed.run("/opt/mnv2-edge/current/install.sh", "--mend", folder=STATE)
    assert installed.by_root() == []


def test_upgrading_and_rolling_back(installed, bundle, tmp_path):
    make_other_bundle(
        bundle, tmp_path / "other.tar", None, {"mnv2_edge/__main__.py": (b"\nimport ", b"\nx = 1\nimport ")}
    )
    shutil.move(tmp_path / "other.tar", installed.machine.shared / "planted-other.tar")
    installed.run("/shared/install.sh", "--offline", "/shared/planted-other.tar", folder=HOME)
    assert installed.by_root() == []
    installed.run("/opt/mnv2-edge/current/install.sh", "--rollback", folder=STATE)
    assert installed.by_root() == []


def test_links_of_the_service_lead_root_nowhere(installed):
    """It may put any into its folders, and whoever takes those away takes nothing else away."""
    machine = installed.machine
    machine.run("mkdir", "-p", "/srv/kept")
    machine.write("/srv/kept/file", "kept")
    for folder in (STATE, CACHE):
        machine.run("setpriv", "--reuid=mnv2-edge", "--clear-groups", "ln", "-s", "/srv/kept", f"{folder}/link")
    machine.run("setpriv", "--reuid=mnv2-edge", "--clear-groups", "rm", "-rf", f"{STATE}/instances")
    machine.run("setpriv", "--reuid=mnv2-edge", "--clear-groups", "ln", "-s", "/srv/kept", f"{STATE}/instances")
    installed.run("/usr/local/bin/mnv2-edge", "service", "uninstall", "front")
    assert machine.run("stat", "--format=%U", "/srv/kept", "/srv/kept/file").stdout.split() == ["root", "root"]


def test_taking_it_away(installed):
    installed.run("/usr/local/bin/mnv2-edge", "service", "uninstall", folder=STATE)
    assert installed.by_root() == []
    installed.run("/shared/install.sh", "--purge")
    assert installed.by_root() == []
    assert installed.machine.run("ls", STATE, CACHE, check=False).returncode != 0
    assert installed.machine.run("cat", "/srv/kept/file").stdout == "kept"
