import socket
from contextlib import closing

import pytest

from mnv2_edge.service.sd_notify import Notifier
from support.service_manager import ServiceManager


def test_fields_arrive_in_one_message(tmp_path):
    with closing(ServiceManager(tmp_path)) as manager, closing(Notifier(manager.address)) as notifier:
        assert notifier.listens
        assert notifier.send(READY=1, STATUS="all is well")
        assert manager.read() == [{"READY": "1", "STATUS": "all is well"}]


def test_the_abstract_namespace_is_an_at_sign():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0mnv2-edge-test-notify")
        with closing(Notifier("@mnv2-edge-test-notify")) as notifier:
            assert notifier.send(READY=1)
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1234"])
def test_without_a_manager_nothing_is_sent(address):
    with closing(Notifier(address)) as notifier:
        assert not notifier.listens
        assert not notifier.send(READY=1)


def test_a_label_cannot_say_anything_else(tmp_path):
    """A label file is untrusted, and a line of its own would be a field of its own."""
    with closing(ServiceManager(tmp_path)) as manager, closing(Notifier(manager.address)) as notifier:
        notifier.send(STATUS="cat\nMAINPID=1\nSTOPPING=1\x1b[2J" + "x" * 9999)
        (message,) = manager.read()
        assert list(message) == ["STATUS"]
        assert message["STATUS"].startswith("cat MAINPID=1 STOPPING=1 [2Jxxx")
        assert len(message["STATUS"]) < 500


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path, caplog):
    with closing(ServiceManager(tmp_path)) as manager, closing(Notifier(manager.address)) as notifier:
        sent = [notifier.send(STATUS="x" * 400) for _ in range(5000)]
        assert sent[0]
        assert not sent[-1]
        manager.read()
        assert notifier.send(READY=1)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_a_manager_that_has_gone_is_told_of_once(tmp_path, caplog):
    with closing(Notifier(str(tmp_path / "nobody"))) as notifier:
        assert not notifier.send(READY=1)
        assert not notifier.send(READY=1)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
