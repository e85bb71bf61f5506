"""Who a device is, on recorded trees of boards and machines."""

import hashlib
import hmac
import logging

import pytest

from mnv2_edge.errors import ConfigError
from mnv2_edge.host.identity import client_id_of, read_identity, topic_safe

MACHINE_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def machine(tmp_path):
    def build(**files):
        for name, content in files.items():
            path = (
                tmp_path
                / {
                    "tree": "proc/device-tree/serial-number",
                    "sysfs": "sys/firmware/devicetree/base/serial-number",
                    "machine_id": "etc/machine-id",
                    "dbus": "var/lib/dbus/machine-id",
                    "hostname": "proc/sys/kernel/hostname",
                }[name]
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path

    return build


def test_a_pi_has_a_serial_number(machine):
    root = machine(tree=b"10000000ab12cd34\0", machine_id=MACHINE_ID.encode(), hostname=b"raspberrypi\n")
    identity = read_identity(root=root)
    assert identity.device_id == "10000000ab12cd34"
    assert client_id_of(identity.device_id) == "mnv2-edge-10000000ab12cd34"
    assert identity.device_name == "raspberrypi"


def test_a_jetson_where_only_sysfs_shows_the_tree(machine):
    assert read_identity(root=machine(sysfs=b"1424123034567\0")).device_id == "1424123034567"


@pytest.mark.parametrize("serial", [b"0000000000000000\0", b"\0", b"not set!\0"])
def test_a_serial_number_that_is_none(machine, serial):
    root = machine(tree=serial, machine_id=MACHINE_ID.encode() + b"\n")
    assert read_identity(root=root).device_id == read_identity(root=root).device_id != serial.decode().strip("\0")


def test_machine_id_is_published_only_as_a_keyed_hash(machine):
    root = machine(machine_id=MACHINE_ID.encode() + b"\n", hostname=b"pc\n")
    device_id = read_identity(root=root).device_id
    assert len(device_id) == 12
    assert not any(MACHINE_ID[at : at + 6] in device_id for at in range(27))
    assert device_id != hashlib.sha256(bytes.fromhex(MACHINE_ID)).hexdigest()[:12]
    other = hmac.new(bytes.fromhex(MACHINE_ID), b"another application", hashlib.sha256).hexdigest()[:12]
    assert device_id != other
    machine(machine_id=b"1123456789abcdef0123456789abcdef\n")
    assert read_identity(root=root).device_id != device_id


def test_without_any_id_the_host_name_serves_and_that_is_said(machine, caplog):
    root = machine(machine_id=b"uninitialized\n", hostname=b"Kitchen PC\n")
    assert read_identity(root=root).device_id == "kitchen-pc"
    assert "neither serial number nor machine-id" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_without_anything_there_is_a_name_all_the_same(tmp_path):
    assert read_identity(root=tmp_path).device_id == "device"


def test_a_given_name_wins_and_stays_as_it_is_for_people(machine):
    identity = read_identity(name="Hühnerstall / Tür #2", root=machine(tree=b"10000000ab12cd34\0"))
    assert identity.device_id == "huhnerstall-tur-2"
    assert identity.device_name == "Hühnerstall / Tür #2"


def test_an_instance_tells_two_runtimes_apart(machine):
    root = machine(tree=b"10000000ab12cd34\0", hostname=b"pi\n")
    one, two = read_identity(root=root), read_identity(instance="North Side", root=root)
    assert two.device_id == "10000000ab12cd34-north-side"
    assert two.device_name == "pi (North Side)"
    assert len({client_id_of(one.device_id), client_id_of(two.device_id)}) == 2


@pytest.mark.parametrize("text", ["a/b", "a+b", "a#b", "a b", "a\0b", "a\nb", "$SYS", "ä", "A.B_c-1", "x" * 300])
def test_ids_are_safe_in_topics(text):
    safe = topic_safe(text, "device name")
    assert safe
    assert len(client_id_of(safe)) <= 80
    assert not set(safe) & set("/+#$ \0\n")
    assert safe == topic_safe(safe, "device name")


@pytest.mark.parametrize("text", ["", "###", "猫", "--"])
def test_a_name_of_which_nothing_is_left(text):
    with pytest.raises(ConfigError, match="has no letter or digit"):
        topic_safe(text, "device name")


def test_this_very_machine_has_an_identity():
    assert read_identity().device_id
