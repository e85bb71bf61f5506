"""No camera is believed over rtsps whose certificate was not checked; with both libraries."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mnv2_edge.errors import LibraryMissingError, SourceError, UsageError
from mnv2_edge.sources.open import open_source
from support.fakes import FilmSource
from support.gstreamer import need_gstreamer
from support.tls_server import TlsServer, make_certificate


@pytest.fixture(scope="module", params=["pyav", "gstreamer"])
def library(request: pytest.FixtureRequest) -> str:
    if request.param == "gstreamer":
        need_gstreamer("rtspsrc", "avdec_h264", packages="gstreamer1.0-plugins-good gstreamer1.0-libav python3-gi")
    else:
        pytest.importorskip("av", reason="pip install 'mnv2-edge[rtsp]'")
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    make_certificate(folder, "camera", "localhost")
    make_certificate(folder, "elsewhere", "elsewhere")
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[TlsServer]:
    with closing(TlsServer(folder / "camera.pem", folder / "camera.key")) as server:
        yield server


def why_not(server: TlsServer, library: str, more: str = "") -> str:
    """Return why a camera that answers nothing cannot be opened."""
    with pytest.raises(SourceError) as caught:
        open_source(f"rtsps://localhost:{server.port}/x?library={library}{more}", camera_id="cam", stall_s=1)
    return str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(server: TlsServer, library: str) -> None:
    message = why_not(server, library)
    assert "its certificate is not accepted (self-signed certificate)" in message
    assert f"openssl s_client -connect localhost:{server.port}" in message
    assert server.heard == []


def test_one_that_the_user_has_named_is_accepted(server: TlsServer, library: str, folder: Path) -> None:
    message = why_not(server, library, f"&ca_file={folder / 'camera.pem'}")
    assert "certificate" not in message
    assert server.heard
    assert server.heard[0].startswith(b"OPTIONS rtsp")  # GStreamer writes rtsp:// in it
    assert b"ca_file" not in server.heard[0]


def test_another_one_is_not(server: TlsServer, library: str, folder: Path) -> None:
    assert "not accepted" in why_not(server, library, f"&ca_file={folder / 'elsewhere.pem'}")
    assert server.heard == []


def test_nor_is_a_trusted_one_for_another_host(library: str, folder: Path) -> None:
    with closing(TlsServer(folder / "elsewhere.pem", folder / "elsewhere.key")) as server:
        message = why_not(server, library, f"&ca_file={folder / 'elsewhere.pem'}")
        assert "Hostname mismatch" in message
        assert server.heard == []


def test_unchecked_is_possible(server: TlsServer, library: str, caplog: pytest.LogCaptureFixture) -> None:
    why_not(server, library, "&verify=no")
    assert server.heard
    assert caplog.records == []  # a camera that cannot be opened is tried again and again


def test_and_not_silent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("mnv2_edge.sources.network.rtsp.AvSource", lambda *_, **__: FilmSource(1))
    open_source("rtsps://localhost:1/x?library=pyav&verify=no", camera_id="cam")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "cam: the camera's certificate is not checked (verify=no): anybody on the way may be it")
    ]


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("rtsp://cam/x?ca_file=a.pem", "no effect without TLS"),
        ("rtsp://cam/x?verify=no", "no effect without TLS"),
        ("rtsps://cam/x?verify=yes", "or neither"),
        ("rtsps://cam/x?verify=no&ca_file=a.pem", "or neither"),
        ("rtsps://cam/x?ca_file=/nowhere/a.pem", "cannot be used"),
        ("rtsps://cam/x?ca_file=/dev/null", "cannot be used"),
    ],
)
def test_options_that_make_no_sense(uri: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        open_source(uri, camera_id="cam")


def test_a_pyav_that_checks_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av", reason="pip install 'mnv2-edge[rtsp]'")
    monkeypatch.setitem(av.library_versions, "libavformat", (61, 7, 100))
    with pytest.raises(LibraryMissingError, match="does not check certificates"):
        open_source("rtsps://127.0.0.1:1/x?library=pyav", camera_id="cam")
