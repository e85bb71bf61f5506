"""Which certificate a camera may show over rtsps or https, and the reason when one is refused."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mnv2_edge.errors import UsageError
from mnv2_edge.host.certificate_dates import describe_dates
from mnv2_edge.sources.network.address import CameraAddress
from mnv2_engines.files.regular_file import CERTIFICATE_LIMIT, read_regular

__all__ = ["RTSPS_PORT", "TLS_OPTIONS", "CertificatePolicy", "explain_refusal", "format_refusal", "read_trust"]

RTSPS_PORT = 322  # https://www.iana.org/assignments/service-names-port-numbers
TLS_OPTIONS = frozenset({"ca_file", "verify"})
_PROBE_S = 3.0


@dataclass(frozen=True, slots=True)
class CertificatePolicy:
    """What is required of a certificate."""

    verify: bool
    """False: nothing, as the user said."""
    ca_file: str
    """PEM: the authorities that may have signed it, or the certificate itself if it is self-signed."""

    def context(self) -> ssl.SSLContext:
        """Return what checks a certificate so, and the name of the host in it."""
        if self.verify:
            return ssl.create_default_context(cafile=self.ca_file)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def read_trust(scheme: str, ours: Mapping[str, str]) -> CertificatePolicy | None:
    """Read ``ca_file=FILE`` and ``verify=no`` of an rtsps or https address; None for what shows no certificate.

    Without them the system's authorities count. Raises UsageError for a file that cannot be read, and for options that
    contradict each other or have no effect.
    """
    given = TLS_OPTIONS & ours.keys()
    if scheme not in ("rtsps", "https"):
        if given:
            raise UsageError(f"{scheme} option {min(given)} has no effect without TLS: expected {scheme}s://")
        return None
    if ours.get("verify", "no") != "no" or len(given) == 2:
        raise UsageError(
            f"{scheme}: expected ca_file=FILE, or verify=no, or neither: then the system's authorities count"
        )
    if "verify" in given:
        return CertificatePolicy(verify=False, ca_file="")
    ca_file = ours.get("ca_file") or ssl.get_default_verify_paths().cafile or ""
    if not ca_file:
        raise UsageError(
            f"{scheme}: this system has no file of authorities: `sudo apt install ca-certificates`, or ca_file="
        )
    try:
        read_regular(Path(ca_file), CERTIFICATE_LIMIT)  # OpenSSL would wait for the other end of a pipe
        ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as exc:
        why = getattr(exc, "strerror", None) or exc
        raise UsageError(f"{scheme}: ca_file {ca_file} cannot be used ({why}): expected PEM certificates") from exc
    return CertificatePolicy(verify=True, ca_file=str(Path(ca_file).absolute()))


def explain_refusal(address: CameraAddress, trust: CertificatePolicy | None) -> str:
    """Return why the camera's certificate is not accepted, with what to do; empty when that is not the trouble.

    Libraries for RTSP say no more than that the connection failed, so this connects once more to ask.
    """
    if trust is None or not trust.verify:
        return ""
    host, port = address.host, address.port or RTSPS_PORT
    try:
        with (
            socket.create_connection((host, port), _PROBE_S) as plain,
            trust.context().wrap_socket(plain, server_hostname=host),
        ):
            return ""
    except OSError as exc:
        return format_refusal(address, port, exc, trust)


def format_refusal(address: CameraAddress, port: int, error: Exception, trust: CertificatePolicy | None = None) -> str:
    """Return what to do about a certificate that was refused with `error`; empty when that is not what it says."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return ""
    dates = describe_dates(error, trust.context() if trust else None, address.host, port)
    if dates:
        return f"{address.shown}: {dates}"
    return (
        f"{address.shown}: its certificate is not accepted ({error.verify_message}): if it is the camera's own, save "
        f"it with `openssl s_client -connect {address.host}:{port} </dev/null | openssl x509 >camera.pem`, compare its "
        "fingerprint with the camera's, and add ca_file=camera.pem to the address"
    )
