"""Another version, another Python, and none: what install.sh does to a system that runs."""

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.installed import INSTALL_S, all_files, config, make_broken_bundle, make_other_bundle

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


KILLED_AT_RESTART = """#!/bin/sh
[ "$1" != restart ] || kill -KILL $PPID
exec /run/killing/systemctl "$@"
"""


def installed_versions(machine) -> tuple[str, str]:
    """Return the version that runs and the one before."""
    current, previous = machine.run("readlink", "/opt/mnv2-edge/current", "/opt/mnv2-edge/previous").stdout.split()
    return current, previous


def package_file(machine, name: str) -> str:
    return f"/opt/mnv2-edge/current/venv/lib/python{machine.python}/site-packages/{name}"


@pytest.fixture(scope="module")
def other_bundle(machine, bundle, tmp_path_factory) -> str:
    """Return a bundle, inside, of the same version with another content."""
    target = tmp_path_factory.mktemp("other") / "other.tar"
    change = (b"\nimport ", b"\nx = 'other'\nimport ")
    make_other_bundle(bundle, target, None, {"mnv2_edge/__main__.py": change})
    shutil.move(target, machine.shared / "other.tar")
    return "/shared/other.tar"


class TestUpgrade:
    def test_a_version_that_never_gets_ready_is_undone(self, machine, instance, bundle, tmp_path):
        broken = tmp_path / "broken.tar"
        make_broken_bundle(bundle, broken)
        shutil.copy(broken, machine.shared / "broken.tar")
        one = instance("upgraded", config())
        one.start()
        before = machine.run("readlink", "/opt/mnv2-edge/current").stdout
        with ThreadPoolExecutor() as pool:
            command = ("env", "MNV2_EDGE_READY_S=12", "/shared/install.sh", "--offline", "/shared/broken.tar")
            upgrade = pool.submit(machine.run, *command, check=False, timeout_s=INSTALL_S)
            machine.wait_for(lambda: machine.run("readlink", "/opt/mnv2-edge/current").stdout == "99.0\n", INSTALL_S)
            one.configure(config("{uri: demo, id: written-for-the-new-version}"))
            done = upgrade.result()
        assert done.returncode == 1, done.stdout + done.stderr
        assert "99.0 did not become ready (mnv2-edge@upgraded.service)" in done.stderr
        assert machine.run("readlink", "/opt/mnv2-edge/current").stdout == before
        assert one.active
        one.wait_for_status("door streaming")
        assert "written-for" not in machine.run("cat", "/etc/mnv2-edge/upgraded.yaml").stdout
        assert machine.run("mnv2-edge", "--version").stdout.split()[1] == before.strip()

    def test_who_was_failing_before_is_no_measure(self, machine, instance, other_bundle):
        """A service that ends and is started again for ever may be why somebody upgrades."""
        wrong = instance("wrong", config("{uri: demo, rotate: 45}"))
        machine.run("systemctl", "start", wrong.unit, check=False)
        looping = instance("looping", config(sinks="[{mqtt: {uri: 'mqtt://localhost:1'}}]", more="labels: /nowhere\n"))
        machine.write(f"/run/systemd/system/{looping.unit}.d/fail.conf", "[Service]\nRestartPreventExitStatus=\n")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "--no-block", looping.unit)
        absent = instance("absent", config("{uri: /dev/video9, id: door}"))
        absent.start()
        machine.wait_for(lambda: looping.restarts > 0)
        done = machine.run("/shared/install.sh", "--offline", other_bundle, timeout_s=INSTALL_S)
        assert "is installed" in done.stdout
        assert absent.active
        assert wrong.get("ActiveState") == "failed"
        machine.run("rm", "-r", f"/run/systemd/system/{looping.unit}.d")

    def test_another_content_of_the_same_version_is_another_one(self, machine):
        current, previous = installed_versions(machine)
        assert current != previous
        assert current.rpartition(".")[0] == previous
        assert "x = 'other'" in machine.run("cat", package_file(machine, "mnv2_edge/__main__.py")).stdout

    def test_rolling_back_and_forth(self, machine, instance):
        """Each version has the configurations that it understands."""
        current, previous = installed_versions(machine)
        one = instance("rolled", config())
        one.start()
        machine.run("systemctl", "stop", "mnv2-edge-engines.service")  # starts again with the instance, and mends first
        machine.run("/opt/mnv2-edge/current/install.sh", "--rollback")
        assert installed_versions(machine) == (previous, current)
        assert one.active
        one.configure(config("{uri: demo, id: yard}"))
        machine.run("/opt/mnv2-edge/current/install.sh", "--rollback")
        assert installed_versions(machine) == (current, previous)
        assert one.active
        one.wait_for_status("door streaming")

    def test_a_version_that_is_gone_cannot_come_back(self, machine):
        before = installed_versions(machine)
        machine.run("mv", f"/opt/mnv2-edge/{before[1]}", "/opt/moved")
        done = machine.run("/opt/mnv2-edge/current/install.sh", "--rollback", check=False)
        machine.run("mv", "/opt/moved", f"/opt/mnv2-edge/{before[1]}")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "there is no version before this one" in done.stderr
        assert installed_versions(machine) == before

    def test_one_that_was_killed_after_the_switch_is_taken_up_again(self, machine, instance):
        current, previous = installed_versions(machine)
        one = instance("switched", config())
        one.start()
        pid = one.pid
        # back to the version before, which is there already
        install = f"/opt/mnv2-edge/{previous}/install.sh"
        bundle = "/shared/bundle.tar"
        with machine.in_place_of("/usr/bin/systemctl", KILLED_AT_RESTART, kept="/run/killing/systemctl"):
            done = machine.run(install, "--offline", bundle, check=False, timeout_s=INSTALL_S)
        assert done.returncode == -signal.SIGKILL
        assert installed_versions(machine)[0] == previous
        assert one.pid == pid  # the old one
        done = machine.run(install, "--offline", bundle, timeout_s=INSTALL_S)
        assert f"{previous} is installed" in done.stdout
        assert installed_versions(machine) == (previous, current)
        assert one.active
        assert one.pid != pid

    def test_an_environment_that_a_new_python_killed_is_made_again(self, machine, instance):
        library = "/opt/mnv2-edge/current/venv/lib"
        machine.run("systemctl", "stop", "mnv2-edge-engines.service")
        machine.run("mv", f"{library}/python{machine.python}", f"{library}/python3.9")  # as if it had been that before
        one = instance("mended", config())
        one.start()
        assert (
            "making its environment again" in machine.run("journalctl", "-u", "mnv2-edge-engines", "--no-pager").stdout
        )
        assert one.restarts == 0


def test_uninstalling_leaves_configurations_secrets_and_state(machine, files_before, instance):
    machine.write("/etc/credstore/mnv2-edge.last.mqtt-password", "hidden", mode="600")
    one = instance("last", config())
    machine.write("/etc/mnv2-edge/stays.yaml", config())
    one.start()
    machine.run("mnv2-edge", "service", "uninstall")
    left = left_over(machine, files_before)
    ours = ("/var/lib/mnv2-edge", "/etc/mnv2-edge", "/etc/credstore")
    assert {path for path in left if not path.startswith(ours)} == set()
    assert left > {"/etc/mnv2-edge/stays.yaml", "/etc/credstore/mnv2-edge.last.mqtt-password", "/var/lib/mnv2-edge"}
    assert machine.run("systemctl", "list-units", "--all", "--no-legend", "mnv2-edge*.service").stdout == ""
    assert machine.run("ps", "-u", "mnv2-edge", check=False).stdout.count("\n") == 1


def test_installed_again_it_goes_on_with_them(machine):
    machine.run("/shared/install.sh", "--offline", "/shared/bundle.tar", timeout_s=INSTALL_S)
    machine.run("systemctl", "start", "mnv2-edge@stays.service")
    assert machine.show("mnv2-edge@stays.service", "ActiveState")["ActiveState"] == "active"


def test_purging_leaves_nothing_even_while_an_instance_runs(machine, files_before):
    """Twice: the second time there is nothing, which is not a mistake."""
    machine.write("/etc/systemd/system/mnv2-edge@stays.service.d/own.conf", "[Service]\nNice=1\n")
    machine.run("mkdir", "-p", "/run/kept")
    machine.run("cp", "/opt/mnv2-edge/current/install.sh", "/run/kept/")
    machine.run("systemctl", "enable", "mnv2-edge@stays.service")
    for _ in range(2):
        machine.run("/run/kept/install.sh", "--purge")
        assert left_over(machine, files_before) <= {"/etc/credstore"}
        assert machine.run("systemctl", "list-units", "--all", "--no-legend", "mnv2-edge*").stdout == ""
        for database in ("passwd", "group"):
            assert machine.run("getent", database, "mnv2-edge", check=False).returncode == 2


def left_over(machine, files_before) -> set[str]:
    """Return what is there now and was not before; what root keeps at home is root's."""
    backups = {"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"}
    return {path for path in all_files(machine) - files_before - backups if not path.startswith("/root")}
