"""Another version, another Python, and none: what install.sh does to a system that runs."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.installed import INSTALL_S, all_files, config, make_broken_bundle

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


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
    one = instance("last", config())
    one.start()
    machine.run("mnv2-edge", "service", "uninstall")
    left = {path for path in all_files(machine) - files_before if not path.startswith(("/root", "/etc/credstore"))}
    assert {path for path in left if not path.startswith(("/var/lib/mnv2-edge", "/etc/mnv2-edge"))} == set()
    assert "/etc/mnv2-edge/last.yaml" in left
    assert "/var/lib/mnv2-edge" in left
    assert machine.run("systemctl", "list-units", "--all", "--no-legend", "mnv2-edge*.service").stdout == ""
    assert machine.run("ps", "-u", "mnv2-edge", check=False).stdout.count("\n") == 1
