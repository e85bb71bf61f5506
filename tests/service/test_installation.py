"""install.sh on a system without a network: from a bundle to the first label at a broker."""

import json

import pytest

from support.installed import INSTALL_S, MQTT, all_files, config

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def test_there_is_no_network_and_little_room_in_tmp(bare):
    interfaces = bare.run("cat", "/proc/net/dev").stdout.splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    size = bare.run("df", "--output=size", "/tmp").stdout.split()[-1]
    assert int(size) == 64 * 1024


def test_a_damaged_bundle_is_refused(bare, files_before):
    whole = bytearray((bare.shared / "bundle.tar").read_bytes())
    whole[len(whole) // 2] ^= 1
    (bare.shared / "damaged.tar").write_bytes(whole)
    done = bare.run("/shared/install.sh", "--offline", "/shared/damaged.tar", check=False)
    assert done.returncode == 65
    assert "is damaged" in done.stderr
    assert not {path for path in all_files(bare) - files_before if "/current" in path}


def test_it_installs_and_again_changes_nothing(machine):
    done = machine.run("/shared/install.sh", "--offline", "/shared/bundle.tar", timeout_s=INSTALL_S)
    assert "is there already" in done.stdout
    assert machine.run("mnv2-edge", "--version").stdout.startswith("mnv2-edge ")
    assert machine.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"


def test_its_systemd_understands_every_line_of_the_units(machine):
    done = machine.run("systemd-analyze", "verify", "--man=no", "mnv2-edge@door.service", "mnv2-edge-engines.service")
    assert [line for line in done.stderr.splitlines() if "mnv2-edge" in line] == []


def test_labels_reach_the_broker(machine):
    machine.write("/root/front.yaml", config(sinks=MQTT))
    done = machine.run("mnv2-edge", "service", "install", "/root/front.yaml")
    assert done.stdout.startswith("front: active, ")
    heard = machine.run("mosquitto_sub", "-t", "mnv2-edge/+/door/result", "-C", "2", "-W", "30").stdout
    assert all(json.loads(line)["summary"] for line in heard.splitlines())
    status = machine.run("mnv2-edge", "service", "status").stdout
    assert "front" in status
    assert "door streaming" in status
    assert machine.show("mnv2-edge@front.service", "UnitFileState")["UnitFileState"] == "enabled"
    assert "streaming" in machine.run("mnv2-edge", "service", "logs", "front").stdout
    machine.run("mnv2-edge", "service", "uninstall", "front")
    assert machine.run("mnv2-edge", "service", "status", "front", check=False).returncode == 2
