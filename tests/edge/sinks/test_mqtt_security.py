"""TLS against a real mosquitto with certificates made here; brokers that are old, silent or no brokers at all."""

import gc
import logging
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, closing

import pytest

from mnv2_edge.sinks import SinkOptions
from mnv2_edge.sinks.connection_errors import Delays
from mnv2_edge.sinks.mqtt import open_mqtt
from support.mosquitto import Mosquitto
from support.system import need_command

# paho leaves the socket of a failed TLS handshake to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STATUS = "mnv2-edge/dev/status"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(Delays, "usual", classmethod(lambda cls: cls(0.1, 1.0)))
    yield
    gc.collect()  # while this test's filter holds


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Make an authority, a server certificate for 127.0.0.1 and a client certificate."""
    openssl = need_command("openssl", "openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def run(*args):
        subprocess.run([openssl, *args], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
        run("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
        (folder / f"{name}.key").chmod(0o644)
    return folder


@pytest.fixture
def start_tls(tmp_path, stack, certificates):
    def start(*more):
        files = (("cafile", "ca.pem"), ("certfile", "server.pem"), ("keyfile", "server.key"))
        settings = "\n".join([*(f"{key} {certificates / name}" for key, name in files), *more])
        broker = Mosquitto(tmp_path, settings=settings)
        stack.callback(broker.kill)
        broker.start()
        broker.uri = broker.uri.replace("mqtt://", "mqtts://")
        return broker

    return start


def options(uri, **own):
    return SinkOptions("mqtt", "dev", "Device", "", ("cam",), options={"uri": uri, **own})


def until(condition, timeout_s=15.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


@pytest.mark.mosquitto
def test_tls_with_the_authority_named(start_tls, stack, certificates):
    broker = start_tls()
    ca = str(certificates / "ca.pem")
    subscriber = stack.enter_context(closing(broker.subscribe(STATUS, options=("--cafile", ca))))
    with closing(open_mqtt(options(broker.uri, ca_file=ca))):
        subscriber.wait_for(STATUS, "online")
    subscriber.wait_for(STATUS, "online", "offline")


@pytest.mark.mosquitto
def test_an_unknown_authority_is_not_trusted(start_tls, stack, caplog):
    broker = start_tls()
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri))))
    until(lambda: caplog.records)
    assert not sink._session.connected
    assert "name the certificate of who signed it with `ca_file`" in caplog.records[0].message


@pytest.mark.mosquitto
def test_a_certificate_for_another_host_is_not_trusted(start_tls, stack, certificates, caplog):
    broker = start_tls()
    uri = broker.uri.replace("127.0.0.1", "localhost")
    sink = stack.enter_context(closing(open_mqtt(options(uri, ca_file=str(certificates / "ca.pem")))))
    until(lambda: caplog.records)
    assert not sink._session.connected
    assert "localhost" in caplog.records[0].message
    assert "its host in the URI" in caplog.records[0].message


@pytest.mark.mosquitto
def test_a_missing_client_certificate_is_named_and_a_present_one_works(start_tls, stack, certificates, caplog):
    broker = start_tls("require_certificate true")
    ca = str(certificates / "ca.pem")
    stack.enter_context(closing(open_mqtt(options(broker.uri, ca_file=ca))))
    until(lambda: caplog.records)
    assert "it may want a client certificate: set `cert_file` and `key_file`" in caplog.records[0].message
    own = {"cert_file": str(certificates / "client.pem"), "key_file": str(certificates / "client.key")}
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, ca_file=ca, client_id="other", **own))))
    until(lambda: sink._session.connected)


@pytest.mark.mosquitto
def test_tls_on_a_port_without(tmp_path, stack, caplog):
    broker = Mosquitto(tmp_path)
    stack.callback(broker.kill)
    broker.start()
    stack.enter_context(closing(open_mqtt(options(broker.uri.replace("mqtt:", "mqtts:")))))
    until(lambda: caplog.records)
    assert f"127.0.0.1:{broker.port} cannot be reached" in caplog.records[0].message


@pytest.mark.mosquitto
def test_no_tls_on_a_port_with(start_tls, stack, caplog):
    broker = start_tls()
    stack.enter_context(closing(open_mqtt(options(broker.uri.replace("mqtts:", "mqtt:")))))
    until(lambda: caplog.records)
    assert "For TLS write mqtts://" in caplog.records[0].message


class Server:
    """Answer every connection's first packet with `answer`, and keep what came in."""

    def __init__(self, answer, *, hang_up=False):
        self._answer = answer
        self._hang_up = hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = []
        self._connections = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            first = connection.recv(4096)
            self.received.append(first)
            connection.sendall(self._answer(first))
            while not self._hang_up and (more := connection.recv(4096)):
                self.received.append(more)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()


def only_mqtt_3(connect):
    level = connect[connect.index(b"MQTT") + 4]
    return b"\x20\x02\x00\x00" if level == 4 else b"\x20\x02\x00\x01"


def test_a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_mqtt_3(stack, caplog):
    caplog.set_level(logging.INFO)
    server = stack.enter_context(closing(Server(only_mqtt_3)))
    sink = stack.enter_context(closing(open_mqtt(options(server.uri))))
    until(lambda: any(b"online" in packet for packet in server.received))
    assert sink._session.connected
    assert "does not know MQTT 5: going on with MQTT 3.1.1" in caplog.text
    sink.close()
    until(lambda: any(b"offline" in packet for packet in server.received[2:]))


# paho before 2.2 ends its thread with an exception when it meets a reason code that it does not know.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b"\x20\x02\x00\xee", b"\x20\x01\x00"],
    ids=["http", "noise", "unknown code", "too short"],
)
def test_something_that_is_no_broker(stack, caplog, answer):
    server = stack.enter_context(closing(Server(lambda connect: answer, hang_up=True)))
    sink = stack.enter_context(closing(open_mqtt(options(server.uri))))
    until(lambda: len(server.received) >= 2, timeout_s=20)  # it is tried again
    assert not sink._session.connected
    assert not sink.broken
    assert caplog.records
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1.0


def test_a_broker_that_never_answers_does_not_hold_up_the_end(stack, make_result):
    server = stack.enter_context(closing(Server(lambda connect: b"")))
    sink = open_mqtt(options(server.uri))
    sink.publish(make_result())
    until(lambda: server.received)
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1.0
