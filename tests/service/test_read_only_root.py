"""The service where nobody may write, as on a board that loses its power every evening."""

import pytest

from support.installed import MQTT, config

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

SEALED = ("/etc", "/opt", "/usr", "/var/cache", "/var/lib/mnv2-edge")


@pytest.fixture
def seal(machine):
    """Return a function that makes every folder of ours and of the system read-only, until the end."""

    def make() -> None:
        for folder in SEALED:
            machine.run("mount", "--bind", folder, folder)
            machine.run("mount", "-o", "remount,bind,ro", folder)

    yield make
    for folder in SEALED:
        machine.run("umount", "--lazy", folder)


@pytest.fixture
def engine(machine):
    """Return a copy of the demo network that nothing trusts."""
    package = f"/opt/mnv2-edge/current/venv/lib/python{machine.python}/site-packages/mnv2_engines/demo"
    for ending in ("tflite", "json"):
        machine.run("cp", f"{package}/demo.{ending}", f"/usr/local/share/signs.{ending}")
    yield "/usr/local/share/signs.tflite"
    machine.run("rm", "/usr/local/share/signs.tflite", "/usr/local/share/signs.json")


def test_it_starts_and_runs_though_it_cannot_note_that_its_engine_was_tried(machine, instance, engine, seal):
    one = instance("sealed", config(sinks=MQTT, more=f"engine: {{model: {engine}}}\n"))
    one.start()  # the first start makes its folders, which needs a disk
    machine.run("systemctl", "stop", one.unit)
    machine.run("find", "/var/cache/mnv2-edge", "-type", "f", "-delete")
    seal()
    assert machine.run("touch", "/var/lib/mnv2-edge/x", check=False).returncode != 0
    machine.run("systemctl", "restart", "mnv2-edge-engines.service")
    one.start()
    one.wait_for_status("door streaming.*last seen")
    assert "(Read-only file system): signs.tflite is tested again next time" in one.log
    assert one.restarts == 0
    assert machine.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "mnv2-edge*").stdout == ""
