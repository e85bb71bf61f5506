"""A certificate whose time is over is not a matter of trust: `ca_file` would not help, so nobody is told to set it."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnv2_edge.doctor.connections.broker_login import BrokerLogin, log_in
from mnv2_edge.host.certificate_dates import describe_dates
from mnv2_edge.sinks.broker import parse_broker
from mnv2_edge.sinks.connection_errors import ConnectionMonitor
from mnv2_edge.sources.network.address import split_address
from mnv2_edge.sources.network.certificates import CertificatePolicy, explain_refusal
from support.tls_server import TlsServer, make_certificate, make_dated_certificate

TODAY = time.strftime("%Y-%m-%d", time.gmtime())


@contextlib.contextmanager
def serving(certificate: Path, key: Path) -> Iterator[TlsServer]:
    server = TlsServer(certificate, key)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def expired(tmp_path):
    return make_dated_certificate(tmp_path, "20200101000000Z", "20210202000000Z")


def refusal(port: int, tls: ssl.SSLContext) -> ssl.SSLError:
    with socket.create_connection(("localhost", port), 5) as plain, pytest.raises(ssl.SSLError) as caught:
        tls.wrap_socket(plain, server_hostname="localhost")
    return caught.value


def test_an_expired_one_says_when_and_asks_for_the_clock(expired):
    tls = ssl.create_default_context(cafile=str(expired[0]))
    with serving(*expired) as server:
        said = describe_dates(refusal(server.port, tls), tls, "localhost", server.port)
    assert said.startswith(f"its certificate expired on 2021-02-02, and the clock of this device shows {TODAY}")
    assert "timedatectl" in said


def test_one_of_the_future(tmp_path):
    pair = make_dated_certificate(tmp_path, "20980101000000Z", "20990101000000Z")
    tls = ssl.create_default_context(cafile=str(pair[0]))
    with serving(*pair) as server:
        said = describe_dates(refusal(server.port, tls), tls, "localhost", server.port)
    assert said.startswith("its certificate is not valid before 2098-01-01, and the clock")


def test_where_the_dates_cannot_be_asked_for_it_is_said_without(expired):
    tls = ssl.create_default_context(cafile=str(expired[0]))
    with serving(*expired) as server:
        error, port = refusal(server.port, tls), server.port
    assert describe_dates(error, tls, "localhost", port).startswith("its certificate expired, and the clock")


def test_one_of_nobody_known_is_another_matter(tmp_path):
    pair = make_certificate(tmp_path, "own", "localhost")
    tls = ssl.create_default_context()
    with serving(*pair) as server:
        assert describe_dates(refusal(server.port, tls), tls, "localhost", server.port) == ""
    assert describe_dates(OSError("away"), tls, "localhost", 1) == ""


def test_a_camera_says_so(expired):
    with serving(*expired) as server:
        address = split_address(f"rtsps://localhost:{server.port}/stream", "")
        said = explain_refusal(address, CertificatePolicy(verify=True, ca_file=str(expired[0])))
    assert "its certificate expired on 2021-02-02" in said
    assert "ca_file" not in said


def test_a_broker_says_so(expired, caplog):
    tls = ssl.create_default_context(cafile=str(expired[0]))
    with serving(*expired) as server:
        error = refusal(server.port, tls)
        dates = describe_dates(error, tls, "localhost", server.port)
    ConnectionMonitor("mqtts://h", "me", user="", tls=True, has_certificate=False).unreachable(error, 0, dates)
    assert "broker mqtts://h is not trusted: its certificate expired on 2021-02-02" in caplog.text
    assert "ca_file" not in caplog.text


def test_the_doctor_says_so(expired):
    tls = ssl.create_default_context(cafile=str(expired[0]))
    with serving(*expired) as server:
        broker = parse_broker(f"mqtts://localhost:{server.port}")
        trouble = log_in(BrokerLogin(broker, "", tls))
    assert trouble is not None
    assert "its certificate expired on 2021-02-02" in trouble.why
    assert trouble.mend == "timedatectl"
