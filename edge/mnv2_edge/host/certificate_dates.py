"""Say of a server's certificate that it has expired, or is not valid yet, and when: no `ca_file` helps against that."""

import socket
import ssl
import time
from typing import Final

__all__ = ["describe_dates"]

_NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL's x509_vfy.h
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
_TIMEOUT_S: Final = 3.0


def describe_dates(error: BaseException | None, tls: ssl.SSLContext | None, host: str, port: int) -> str:
    """Return what is wrong with the dates of a certificate that was refused with `error`; empty when it is not that.

    OpenSSL does not say which dates they are, so this connects once more, for at most three seconds, to read them from
    a certificate that is fine otherwise. `tls` is what refused it, and stays as it is.
    """
    code = getattr(error, "verify_code", None) if isinstance(error, ssl.SSLCertVerificationError) else None
    if code not in (_NOT_YET_VALID, _EXPIRED):
        return ""
    dates = _read_dates(tls, host, port) if tls is not None else None
    clock = f"the clock of this device shows {_day(time.time())}; is it right? `timedatectl` tells"
    if code == _NOT_YET_VALID:
        since = f" before {_day(dates[0])}" if dates else " yet"
        return f"its certificate is not valid{since}, and {clock}"
    if dates and dates[1] > time.time():
        return f"the certificate of who signed its certificate has expired, and {clock}; else have a new one made"
    ended = f" on {_day(dates[1])}" if dates else ""
    return f"its certificate expired{ended}, and {clock}; else have a new one made"


def _read_dates(tls: ssl.SSLContext, host: str, port: int) -> tuple[float, float] | None:
    """Return from when to when the server's own certificate is valid, in seconds since 1970; None where that fails."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.verify_flags |= _NO_CHECK_TIME
    try:
        authorities = tls.get_ca_certs(binary_form=True)
        if authorities:
            asking.load_verify_locations(cadata=b"".join(authorities))
        with (
            socket.create_connection((host, port), _TIMEOUT_S) as plain,
            asking.wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert() or {}
        return ssl.cert_time_to_seconds(str(shown["notBefore"])), ssl.cert_time_to_seconds(str(shown["notAfter"]))
    except (OSError, ValueError, KeyError):
        return None


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
