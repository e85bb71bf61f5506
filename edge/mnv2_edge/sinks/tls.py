"""The TLS context that verifies a broker and shows it a certificate."""

import ssl
from pathlib import Path

from mnv2_edge.errors import ConfigError
from mnv2_engines.files.regular_file import CERTIFICATE_LIMIT, read_regular

__all__ = ["tls_context"]


def tls_context(ca_file: str | None, cert_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """Return what verifies the broker, by the system's authorities or `ca_file`, and shows a client certificate.

    Raises ConfigError for a file that cannot be read, and for a key without its certificate.
    """
    if key_file is not None and cert_file is None:
        raise ConfigError(f"key_file {key_file} is given without cert_file: expected both")
    for name, file in (("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)):
        if file is not None:
            _require_certificate(name, Path(file))
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"ca_file {ca_file} cannot be used ({exc}): expected PEM certificates") from exc
    if cert_file is not None:
        try:
            context.load_cert_chain(cert_file, key_file)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"cert_file {cert_file} with key_file {key_file} cannot be used ({exc}): expected PEM files"
            ) from exc
    return context


def _require_certificate(name: str, file: Path) -> None:
    """Read the file once: OpenSSL, which reads it by its name, would wait for the other end of a pipe."""
    try:
        read_regular(file, CERTIFICATE_LIMIT)
    except OSError as exc:
        raise ConfigError(f"{name} {file} cannot be used ({exc.strerror}): expected PEM certificates") from exc
