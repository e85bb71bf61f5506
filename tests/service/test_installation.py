"""install.sh on a system without a network: from a bundle to the first label at a broker."""

import json
from contextlib import nullcontext

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
    assert all_files(bare) == files_before


FULL_AFTER_UNPACKING = """#!/bin/sh
/run/full/tar "$@" || exit
fallocate --length $(($(df --output=avail --block-size=1 /opt | tail -n 1) - 40000000)) /opt/filler
"""


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ("size=300M", 75, "300 MB are free in /opt/mnv2-edge and about"),
        ("size=900M", 75, "/opt/mnv2-edge is full: make room and try again; nothing was changed"),
        ("size=900M,noexec", 69, "programs below /opt/mnv2-edge may not be run: is it mounted noexec?"),
        ("size=900M,ro", 77, "/opt/mnv2-edge cannot be written: is /opt a read-only file system?"),
    ],
    ids=["small", "filled meanwhile", "noexec", "read-only"],
)
def test_a_disk_that_cannot_take_it_is_named_and_left_as_it_was(bare, options, status, words):
    bare.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", "/opt")
    filled = words.startswith("/opt/mnv2-edge is full")
    try:
        with bare.in_place_of("/usr/bin/tar", FULL_AFTER_UNPACKING, kept="/run/full/tar") if filled else nullcontext():
            done = bare.run("/shared/install.sh", "--offline", "/shared/bundle.tar", check=False, timeout_s=INSTALL_S)
        left = bare.run("find", "/opt", "-mindepth", "1", "!", "-name", "filler").stdout.split()
    finally:
        bare.run("umount", "/opt")
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"install.sh: error: {words}")
    assert "Traceback" not in done.stderr
    assert left == []


def test_two_at_a_time_are_refused_and_one_that_was_killed_leaves_nothing(bare, files_before):
    """It is killed while it builds; the installation after it, which all further tests use, clears up."""
    install = "/shared/install.sh --offline /shared/bundle.tar"
    bare.run("systemd-run", "--unit=first", "sh", "-c", install)
    bare.wait_for(lambda: bare.run("sh", "-c", "ls -d /opt/mnv2-edge/*/venv", check=False).returncode == 0)
    done = bare.run("sh", "-c", install, check=False)
    assert done.returncode == 75
    assert "another install.sh is at work" in done.stderr
    bare.run("systemctl", "kill", "--signal=KILL", "first.service")
    bare.wait_for(lambda: bare.show("first.service", "ActiveState")["ActiveState"] == "failed")
    bare.run("systemctl", "reset-failed", "first.service")
    left = all_files(bare) - files_before
    assert {path.split("/")[1] for path in left} == {"opt"}
    assert not {path for path in left if path.endswith(("/complete", "/current"))}


def test_the_path_of_a_bundle_may_be_any(bare):
    """A relative one, with a space and what tar takes for the name of a host."""
    folder = bare.shared / "my stick"
    folder.mkdir()
    (folder / "usb:1.tar").write_text("no archive")
    done = bare.run("sh", "-c", "cd '/shared/my stick' && ../install.sh --offline usb:1.tar", check=False)
    assert done.returncode == 65
    assert (
        done.stderr.splitlines()[-1] == "install.sh: error: usb:1.tar is not an archive, or is cut off: copy it again"
    )


def test_it_installs_and_again_changes_nothing(machine):
    wheels = machine.run("find", "/opt/mnv2-edge", "-mindepth", "2", "-maxdepth", "2", "-name", "wheels").stdout
    assert len(wheels.splitlines()) == 1
    done = machine.run("/shared/install.sh", "--offline", "/shared/bundle.tar", timeout_s=INSTALL_S)
    assert "is there already" in done.stdout
    assert machine.run("mnv2-edge", "--version").stdout.startswith("mnv2-edge ")
    assert machine.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"


def test_its_systemd_understands_every_line_of_the_units(machine):
    done = machine.run("systemd-analyze", "verify", "--man=no", "mnv2-edge@door.service", "mnv2-edge-engines.service")
    assert [line for line in done.stderr.splitlines() if "mnv2-edge" in line] == []


def test_labels_reach_the_broker(machine):
    machine.write("/run/front.yaml", config(sinks=MQTT))
    done = machine.run("mnv2-edge", "service", "install", "/run/front.yaml")
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
