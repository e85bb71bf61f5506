"""What needs no server: options, addresses, missing libraries. The rest is in test_rtsp_server.py."""

import sys

import pytest

from mnv2_edge.errors import LibraryMissingError, UsageError
from mnv2_edge.sources.network.address import split_address, take_options
from mnv2_edge.sources.network.rtsp import rtsp_pipeline
from mnv2_edge.sources.open import open_source


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("transport=carrier-pigeon", "tcp or udp"),
        ("keyframes=some", "keyframes=only"),
        ("timeout=0", "0.5"),
        ("timeout=soon", "seconds"),
        ("timeout=20", "set stall_s"),
        ("library=vlc", "pyav"),
    ],
)
def test_options_that_make_no_sense(query: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        open_source(f"rtsp://127.0.0.1:1/x?channel=1&{query}", camera_id="cam")


def test_what_is_not_ours_goes_to_the_camera_byte_for_byte() -> None:
    uri = "rtsp://cam/Streaming?channel=1&transport=udp&subtype=1&flag&name=a%20b&timeout=3"
    left, ours = take_options(uri, frozenset({"transport", "timeout"}))
    assert left == "rtsp://cam/Streaming?channel=1&subtype=1&flag&name=a%20b"
    assert ours == {"transport": "udp", "timeout": "3"}
    assert take_options("rtsp://cam/x?transport=tcp", frozenset({"transport"}))[0] == "rtsp://cam/x"


@pytest.mark.parametrize(
    ("uri", "url", "user", "password"),
    [
        ("rtsp://cam/x?a=1", "rtsp://cam/x?a=1", "", "kept"),
        ("RTSP://ann@cam:8554/", "rtsp://cam:8554/", "ann", "kept"),
        ("rtsp://ann:own%40word@[fe80::1]:554", "rtsp://[fe80::1]:554/", "ann", "own@word"),
    ],
)
def test_an_address_is_taken_apart(uri: str, url: str, user: str, password: str) -> None:
    address = split_address(uri, "kept")
    assert (address.url, address.user, address.password) == (url, user, password)
    assert password not in repr(address)
    assert "?" not in address.shown


@pytest.mark.parametrize("uri", ["rtsp:///x", "rtsp://cam:port/x", "rtsp://[::1/x"])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="address"):
        split_address(uri, "")


def test_without_any_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(LibraryMissingError, match=r"mnv2-edge\[rtsp\]"):
        open_source("rtsp://127.0.0.1:1/x", camera_id="cam")


@pytest.mark.parametrize(
    ("stall_s", "more", "silence_s"), [(5.0, "", 6.0), (60.0, "", 61.0), (60.0, "&timeout=20", 20.0)]
)
def test_a_read_gives_up_after_the_supervisor_unless_told_to_do_so_sooner(
    stall_s: float, more: str, silence_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("mnv2_edge.sources.network.rtsp.AvSource", lambda *_, timeout_s, **__: seen.append(timeout_s))
    open_source(f"rtsp://127.0.0.1:1/x?library=pyav{more}", camera_id="cam", stall_s=stall_s)
    assert seen == [silence_s]


def test_a_jetson_decodes_in_hardware() -> None:
    assert "nvvidconv" in rtsp_pipeline("tcp", jetson=True)
    assert "protocols=udp latency=50" in rtsp_pipeline("udp", jetson=False)
