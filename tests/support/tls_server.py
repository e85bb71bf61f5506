"""Speak TLS to whoever connects, and keep the first words that come."""

import socket
import ssl
import subprocess
import threading
from pathlib import Path

from support.system import need_command


def make_certificate(folder: Path, name: str, host: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself; return it and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    making = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{host}"]
    command = [need_command("openssl", "openssl"), *making, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


_DATED = """[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost
basicConstraints = CA:TRUE
"""


def make_dated_certificate(folder: Path, not_before: str, not_after: str) -> tuple[Path, Path]:
    """Make a certificate of localhost that signs itself, valid between two moments (`20210202000000Z`); and its key."""
    openssl = need_command("openssl", "openssl")
    (folder / "settings").write_text(_DATED)
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "dated.key")
    dates = ("-startdate", not_before, "-enddate", not_after)
    signing = ("-batch", "-config", "settings", "-selfsign", "-keyfile", "dated.key", "-in", "dated.csr")
    for command in (
        ("req", *curve, "-subj", "/CN=localhost", "-out", "dated.csr"),
        ("ca", *signing, *dates, "-notext", "-out", "dated.pem"),
    ):
        subprocess.run([openssl, *command], cwd=folder, check=True, capture_output=True)
    return folder / "dated.pem", folder / "dated.key"


class TlsServer:
    """Accept connections on 127.0.0.1 until closed; say nothing."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.heard: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            with plain:
                plain.settimeout(5)
                try:
                    with self._context.wrap_socket(plain, server_side=True) as secure:
                        words = secure.recv(1000)
                except OSError:  # the other end did not like the certificate
                    continue
                if words:
                    self.heard.append(words)
