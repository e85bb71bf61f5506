"""The units on an older systemd than any that has a Python for us, as a bound for Ubuntu 22.04 with its systemd 249."""

import json

import pytest

from support.booted import Booted
from support.roots.bootable import bootable_root
from support.roots.cache import RootUnavailableError

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

UNIT = "mnv2-edge@door.service"
STAND_IN = """#!/usr/bin/python3
import json, os, pathlib, socket, sys, time
if sys.argv[1] == "run":
    secrets = {file.name: file.read_text() for file in pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"]).iterdir()}
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.connect(os.environ["NOTIFY_SOCKET"])
    manager.send(b"READY=1\\nSTATUS=" + json.dumps({name: len(text) for name, text in secrets.items()}).encode())
    time.sleep(3600)
"""


@pytest.fixture(scope="module")
def older(root, tmp_path_factory):
    """Return a booted Debian 11, systemd 247, with the units and a program that tells how long its secrets are."""
    try:
        machine = Booted(bootable_root("bullseye"), tmp_path_factory.mktemp("older"))
    except RootUnavailableError as exc:  # in CI as well: an old release moves off the mirrors one day
        pytest.skip(str(exc))
    try:
        for name in ("mnv2-edge@.service", "mnv2-edge-engines.service"):
            machine.write(f"/etc/systemd/system/{name}", (root / "systemd" / name).read_text())
        machine.write("/etc/sysusers.d/mnv2-edge.conf", (root / "deploy/sysusers.conf").read_text())
        machine.write("/etc/tmpfiles.d/mnv2-edge.conf", (root / "deploy/tmpfiles.conf").read_text())
        machine.write("/opt/mnv2-edge/current/venv/bin/mnv2-edge", STAND_IN, mode="755")
        machine.write("/opt/mnv2-edge/current/install.sh", "#!/bin/sh\n", mode="755")
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/mnv2-edge.conf")
        machine.run("systemctl", "daemon-reload")
        yield machine
    finally:
        machine.close()


def test_it_understands_every_line_of_the_units(older):
    done = older.run("systemd-analyze", "verify", "--man=no", UNIT, "mnv2-edge-engines.service")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("secret", ["", "hidden"])
def test_it_starts_with_a_secret_and_without(older, secret):
    """A credential that is not there would end the unit with 243: an empty line takes its place."""
    if secret:
        older.write("/etc/credstore/mnv2-edge.door.mqtt-password", secret, mode="600")
    older.run("systemctl", "restart", UNIT)
    shown = older.show(UNIT, "ActiveState", "StatusText")
    assert shown["ActiveState"] == "active"
    assert json.loads(shown["StatusText"]) == {"mqtt-password": len(secret or "\n"), "camera-password": 1}
