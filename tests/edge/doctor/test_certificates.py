"""Validity of certificates: of files, and of what brokers show."""

import dataclasses
import ssl
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mnv2_edge.config.model import Config
from mnv2_edge.doctor.connections.broker_login import BrokerLogin, log_in, read_certificate
from mnv2_edge.doctor.connections.certificates import check_certificates
from mnv2_edge.doctor.connections.validity import read_pem_validities, read_validity
from mnv2_edge.doctor.device.hardware import check_broker
from mnv2_edge.doctor.service.configured import Configured
from mnv2_edge.sinks.broker import parse_broker
from mnv2_edge.sinks.tls import tls_context
from support.boards import make_machine
from support.system import need_command
from support.tls_server import TlsServer, make_certificate
from support.users import closed_to_us

DAY = 86400


def make(folder: Path, name: str, days: int, *more: str) -> Path:
    """Make a certificate that is valid for so many days from now on, by openssl."""
    openssl, path = need_command("openssl", "openssl"), folder / f"{name}.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(folder / "key")]
    command = [openssl, "req", "-x509", *key, "-subj", "/CN=x", "-days", str(days), "-out", str(path), *more]
    subprocess.run(command, check=True, capture_output=True)
    return path


def seconds(day: str) -> float:
    return datetime.strptime(day, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize("days", [2, 365 * 40])  # the latter ends after 2050: another kind of time
def test_openssl_reads_the_same(tmp_path, days) -> None:
    path = make(tmp_path, "x", days)
    (validity,) = read_pem_validities(path.read_text())
    command = [need_command("openssl", "openssl"), "x509", "-noout", "-dates", "-in", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, after = (line.partition("=")[2] for line in told.splitlines())
    assert (validity.not_before, validity.not_after) == (seconds(before), seconds(after))


def test_all_of_the_systems_authorities_can_be_read() -> None:
    """Of every maker and age, and one of version 1 among them on some systems."""
    context = ssl.create_default_context()
    authorities = context.get_ca_certs(binary_form=True)
    dates = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in context.get_ca_certs()]
    assert [read_validity(der).not_after for der in authorities] == dates


@pytest.mark.parametrize("content", [b"", b"0", b"\x30\x03\x30\x01\x00", b"\x30\x84\xff\xff\xff\xff", b"hello world"])
def test_what_is_no_certificate(content) -> None:
    with pytest.raises(ValueError, match=r"no X\.509 certificate"):
        read_validity(content)


def test_every_damaged_byte_is_an_error_or_another_date(tmp_path) -> None:
    der = ssl.PEM_cert_to_DER_cert(make(tmp_path, "x", 2).read_text())
    refused = 0
    for place in range(len(der)):
        try:
            read_validity(der[:place] + bytes([der[place] ^ 0xFF]) + der[place + 1 :])
        except ValueError:
            refused += 1
    assert 10 < refused < len(der)  # and nothing else was raised


class TestFiles:
    @pytest.fixture
    def look(self, tmp_path):
        """Return what looks at a certificate so many days from now."""

        def check(path: Path, days: float = 0, *, key: str = "ca_file", **changes):
            sink = {"mqtt": {"uri": "mqtts://broker", key: str(path)}}
            configured = Configured(Path("door.yaml"), "door", Config(version=1, sinks=(sink,)))
            now = datetime.now(timezone.utc).timestamp() + days * DAY
            machine = make_machine(tmp_path, configurations=(configured,), now=lambda: now)
            return check_certificates(dataclasses.replace(machine, **changes))

        return check

    @pytest.mark.parametrize(
        ("days", "verdict", "words"),
        [
            (0, "ok", "is valid until 20"),
            (71, "warn", "in 28 days: have a new one made"),
            (101, "fail", "expired on 20"),
            (-2, "fail", "on only, and the clock here shows"),
        ],
    )
    def test_times(self, look, tmp_path, days, verdict, words) -> None:
        path = make(tmp_path, "x", 100)
        finding = look(path, days)
        assert finding.verdict == verdict
        assert f"ca_file {path}" in finding.why
        assert words in finding.why
        assert finding.mend == ("timedatectl" if days < 0 else "")

    def test_of_a_chain_the_first_to_expire_counts(self, look, tmp_path) -> None:
        chain = tmp_path / "chain.pem"
        chain.write_text(make(tmp_path, "a", 100).read_text() + make(tmp_path, "b", 10).read_text())
        assert look(chain, key="cert_file").verdict == "warn"

    def test_of_authorities_one_that_counts_is_enough(self, look, tmp_path) -> None:
        """As the bundle of a system always has some that ended."""
        bundle = tmp_path / "bundle.pem"
        bundle.write_text(make(tmp_path, "a", 100).read_text() + make(tmp_path, "b", 10).read_text())
        assert look(bundle, 20).verdict == "ok"
        assert look(bundle, 101).verdict == "fail"

    def test_files_that_are_none(self, look, tmp_path) -> None:
        assert look(tmp_path / "gone.pem").verdict == "fail"
        text = tmp_path / "text.pem"
        text.write_text("hello")
        assert "holds no certificate" in look(text).why
        text.write_text("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")
        assert "no X.509 certificate" in look(text).why

    def test_one_that_is_somebody_elses(self, look, tmp_path) -> None:
        (tmp_path / "closed").mkdir()
        path = make(tmp_path / "closed", "x", 100)
        with closed_to_us(tmp_path / "closed"):
            finding = look(path)
        assert (finding.verdict, finding.mend) == ("warn", "sudo mnv2-edge doctor")

    def test_without_any(self, tmp_path) -> None:
        assert check_certificates(make_machine(tmp_path)).verdict == "ok"


class TestOfABroker:
    @pytest.fixture
    def login(self, tmp_path):
        """Return how to log in to a server with a certificate for two days."""
        certificate, key = make_certificate(tmp_path, "server", "localhost")
        server = TlsServer(certificate, key)
        broker = parse_broker(f"mqtts://localhost:{server.port}")
        yield BrokerLogin(broker, tls=tls_context(str(certificate), None, None))
        server.close()

    def test_one_that_expires_soon(self, tmp_path, login) -> None:
        finding = check_broker(make_machine(tmp_path, brokers=(login,)))
        assert finding.verdict == "warn"
        assert f"the certificate of {login.broker} expires on" in finding.why

    def test_one_that_does_not(self, tmp_path, login) -> None:
        then = datetime.now(timezone.utc).timestamp() - 60 * DAY
        machine = make_machine(tmp_path, brokers=(login,), read_certificate=lambda _: None, now=lambda: then)
        assert check_broker(machine).why == f"{login.broker} lets us in"

    def test_one_that_nobody_trusts_is_not_looked_at(self, login) -> None:
        assert read_certificate(dataclasses.replace(login, tls=ssl.create_default_context())) is None
        assert read_certificate(dataclasses.replace(login, tls=None)) is None
        assert read_certificate(login)

    def test_one_that_is_not_valid_yet_may_be_the_clocks_fault(self, login) -> None:
        trouble = log_in(dataclasses.replace(login, tls=Early(ssl.PROTOCOL_TLS_CLIENT)))
        assert trouble is not None
        assert trouble.why == "no TLS with it: certificate is not yet valid, or the clock of this device is wrong"
        assert trouble.mend == "timedatectl"


class Early(ssl.SSLContext):
    """Find what openssl finds in a certificate of tomorrow."""

    def wrap_socket(self, *_: object, **__: object) -> ssl.SSLSocket:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "certificate is not yet valid"
        raise error
