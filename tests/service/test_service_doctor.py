"""`mnv2-edge doctor` on a device whose service is well, and on one whose is not."""

import json

import pytest

from support.booted import Booted
from support.installed import MQTT, config

pytestmark = pytest.mark.acceptance


def look(machine: Booted, *arguments: str, user: str = "root") -> dict[str, str]:
    """Return what each check found, `fail: why` and the like."""
    command = ("runuser", "-u", user, "--", "mnv2-edge", "doctor", "--json", *arguments)
    told = json.loads(machine.run(*command, check=False).stdout)
    return {check["name"]: f"{check['verdict']}: {check['why']}" for check in told["checks"]}


def failed(found: dict[str, str]) -> dict[str, str]:
    return {name: what for name, what in found.items() if what.startswith("fail")}


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_a_device_that_is_well(machine, instance, user):
    instance("door", config(sinks=MQTT)).start()
    found = look(machine, user=user)
    assert failed(found) == {}
    assert found["broker"] == "ok: mqtt://localhost:1883 (door) lets us in"
    assert found["configurations"] == "ok: door is as it should be"
    assert "frames/s" in found["service"]


def test_what_failed_is_started_again_once_it_can(machine, instance):
    one = instance("door", config(sinks=MQTT, more="labels: /nowhere\n"))
    machine.run("systemctl", "start", "--no-block", one.unit)
    machine.wait_for(lambda: one.get("ActiveState") == "failed")
    found = look(machine)
    assert list(failed(found)) == ["service"]
    assert "exit status 65" in found["service"]
    assert "/nowhere is not there" in found["service"]
    one.configure(config(sinks=MQTT))
    assert list(failed(look(machine, "--fix", user="nobody"))) == ["service"]
    assert failed(look(machine, "--fix")) == {}
    assert one.active
