"""The memory limits of the unit, enforced by the kernel where systemd has its memory controller."""

import json
import shutil

import pytest

from support.installed import MQTT, config

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def limited(machine):
    """Return the machine, on which systemd enforces limits."""
    if not machine.show("dbus.service", "MemoryCurrent")["MemoryCurrent"].isdecimal():
        pytest.skip("the kernel has no memory controller for the systemd in here: limits are not enforced")
    return machine


def test_what_exceeds_its_limit_is_killed(limited):
    """Else all the tests below would prove nothing."""
    hog = ("python3", "-c", "import sys, time; eaten = bytearray(int(sys.argv[1]) << 20); print(len(eaten))")
    limit = ("systemd-run", "--wait", "--pipe", "--property=MemoryMax=400M")
    assert limited.run(*limit, *hog, "300").stdout.strip() == str(300 << 20)
    assert limited.run(*limit, *hog, "600", check=False).returncode != 0


def test_an_instance_that_exceeds_it_is_started_again(limited, instance):
    one = instance("hungry", config(more="task: {name: faulty}\n"))
    one.start()
    one.wait_for_status("streaming")
    pid = one.pid
    one.machine.write("/run/fault", f"eat {pid}")
    one.wait_for_another(pid)
    assert one.restarts == 1
    assert "watchdog" not in one.log.lower()
    one.wait_for_status("streaming")


@pytest.fixture
def imagenet(machine, shared):
    """Return an installed instance that runs the ImageNet network."""
    shutil.copy(shared / "models" / "mobilenet_v2_1.0_224_quant.tflite", machine.shared / "imagenet.tflite")
    machine.run("install", "-D", "/shared/imagenet.tflite", "/run/imagenet.tflite")
    machine.write("/run/thousand.yaml", config(sinks=MQTT, more="engine: {model: imagenet.tflite}\n"))
    machine.run("mnv2-edge", "service", "install", "/run/thousand.yaml")
    yield "mnv2-edge@thousand.service"
    machine.run("mnv2-edge", "service", "uninstall", "thousand")


def test_the_imagenet_engine_fits_into_it(machine, imagenet, measured):
    """It gives labels for 15 s, and its peak leaves a fifth. Without a controller the peak alone is compared."""
    pid = machine.show(imagenet, "MainPID")["MainPID"]
    heard = machine.run("mosquitto_sub", "-t", "mnv2-edge/+/door/result", "-C", "15", "-W", "60").stdout
    assert all(json.loads(line)["summary"] for line in heard.splitlines())
    shown = machine.show(imagenet, "ActiveState", "MainPID", "NRestarts", "MemoryMax", "MemoryCurrent")
    assert (shown["ActiveState"], shown["MainPID"], shown["NRestarts"]) == ("active", pid, "0")
    assert int(shown["MemoryMax"]) == 400 << 20
    peak = int(machine.run("grep", "VmHWM", f"/proc/{pid}/status").stdout.split()[1]) / 1024
    assert peak < 320
    enforced = shown["MemoryCurrent"].isdecimal()
    group = (
        f", the group has {int(shown['MemoryCurrent']) >> 20} MB and is limited" if enforced else ", not limited here"
    )
    measured(f"with the ImageNet engine: peak {peak:.0f} MB{group}")
    assert (
        "/var/lib/mnv2-edge/instances/thousand/imagenet.tflite"
        in machine.run("cat", "/etc/mnv2-edge/thousand.yaml").stdout
    )
