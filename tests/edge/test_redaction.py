"""No password comes out, wherever it stands."""

import base64
import json
import logging
import re
import time
from urllib.parse import quote, quote_plus

import pytest

from mnv2_edge import redaction
from mnv2_edge.errors import ConfigError, UsageError
from mnv2_edge.redaction import (
    RedactingFilter,
    add_camera_secrets,
    add_secret,
    holds_password,
    read_secret,
    redact,
    refuse_password_in_argv,
)


@pytest.fixture(autouse=True)
def _no_secrets_left(monkeypatch):
    monkeypatch.setattr(redaction, "_secrets", set())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://joe:geheim@host:1883/home", "mqtt://joe:***@host:1883/home"),
        ("open 'rtsp://joe:pa/ss:w@rd@cam/1' failed", "open 'rtsp://joe:***@cam/1' failed"),
        ("rtsp://:geheim@cam", "rtsp://:***@cam"),
        ("two: mqtt://a:b@c and RTSPS://d:e@f.", "two: mqtt://a:***@c and RTSPS://d:***@f."),
        ("http://cam/v?user=joe&password=geheim&x=1", "http://cam/v?user=***&password=***&x=***"),
        ("http://cam/v?Token=geheim", "http://cam/v?Token=***"),
        ("rtspsrc user-id=joe user-pw=geheim ! x", "rtspsrc user-id=joe user-pw=*** ! x"),
        ('souphttpsrc proxy-pw="ge heim"', "souphttpsrc proxy-pw=***"),
        ("Authorization: Basic am9lOmdlaGVpbQ==", "Authorization: Basic ***"),
        ("{'Authorization': 'Bearer am9l.Z2'}", "{'Authorization': 'Bearer ***'}"),
    ],
)
def test_passwords_in_uris_and_headers(text, expected):
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "text", ["mqtt://joe@host:1883/home", "rtsp://cam:554/stream", "12:30 user@host", "a: b@c", "x?size=1280x720"]
)
def test_what_is_no_password_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://cam/videostream.cgi?loginuse=admin&loginpas=s3cret&resolution=32",
        "http://cam/v?s3cret",
        "http://cam/v?s3cretQ==",
        "http://cam/v?s3cret%2F=1",
        "http://cam/v?width=640&s3cret&height=480",
        "rtsp://cam:554/user=admin_password=s3cret_channel=1_stream=0.sdp?real_stream",
        "rtsp://cam:554/user=admin&password=s3_cret&channel=1&stream=0.sdp?",
        "rtsp://cam/cam/realmonitor?channel=1&subtype=0&authbasic=s3cret",
        "rtsp://cam/live/admin:s3cret/main",
        "GET /snapshot.cgi?usr=admin&psw=s3cret HTTP/1.1",
        "DESCRIBE /user=admin_password=s3cret_channel=1_stream=0.sdp RTSP/1.0",
        "Location: /login.cgi?next=s3cret",
        "http://cam/v?channel=1%26password%3Ds3cret",
        "http://cam/v?stream=rtsp://joe:s3cret@inner/1",
        "http://cam/v#s3cret",
        "401 for url: http://cam/v?channel=1;key=s3cret (again)",
        "HTTP://CAM/V?SIZE=1&LOGINPAS=s3cret",
    ],
)
def test_what_an_address_says_is_hidden_unless_it_is_known_to_be_harmless(text):
    assert not re.search("s3_?cret", redact(text))
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "demo?film=signs&seed=7&size=640x480&fps=15&frames=200",
        "replay:film.mp4?faults=stall@20+5,black@40&fps=10",
        "rtsps://cam:322/stream?transport=tcp&library=auto&keyframes=only&timeout=5&ca_file=/etc/ssl/cam.pem&verify=no",
        "rtsp://cam/cam/realmonitor?channel=1&subtype=0: refused (404)",
        "http://cam/mjpg/video.mjpg?resolution=640x480&compression=30&camera=1",
        "rtsp://cam/channel=1_stream=0.sdp?real_stream",
        "file:///home/joe/run=3/film.mp4",
        "a=b, x ? y : z; https://example.org/docs/page.html.",
    ],
)
def test_what_is_harmless_in_an_address_stays(text):
    assert redact(text) == text


def test_a_long_line_is_searched_in_no_time():
    for text in ("?a=" * 20_000, "rtsp://" + "a=_" * 20_000, "/user=" * 10_000, "http://" * 1_000 + "?" * 1_000):
        began = time.monotonic()
        redact(text)
        assert time.monotonic() - began < 5  # quadratic time takes minutes


def test_what_a_camera_repeats_of_its_address_is_hidden():
    """A camera's realm, a redirect or an error page may hold the login alone, in another spelling."""
    add_camera_secrets("http://joe@cam/v?loginpas=s3cret%2Fx&profile=high&channel=100001", "g3heim")
    assert redact('realm="s3cret/x" or s3cret%2Fx') == 'realm="***" or ***'
    assert redact(f"seen: {base64.b64encode(b'joe:g3heim').decode()}") == "seen: ***=="
    assert redact("g3heim, high, 100001, joe") == "***, high, 100001, joe"
    add_camera_secrets("rtsp://ann:pa%21word@cam/user=eve_password=sw0rd_fish_channel=1")
    assert redact("pa!word; pa%21word; sw0rd_fish; eve") == "***; ***; ***; eve"


def test_only_what_certainly_is_a_password_is_refused_in_a_configuration():
    assert holds_password("http://cam/v?password=geheim")
    assert not holds_password("http://cam/v?loginpas=geheim")  # this camera has no other place for it
    with pytest.raises(UsageError, match="--config FILE") as caught:
        refuse_password_in_argv("http://cam/v?loginpas=geheim")
    assert "geheim" not in str(caught.value)
    refuse_password_in_argv("rtsp://cam/cam/realmonitor?channel=1&subtype=0")


def test_a_known_secret_is_hidden_everywhere_also_as_a_uri_has_it():
    add_secret("geh eim/ä")
    add_secret("geh eim/äußerst")
    assert redact("is geh eim/ä, geh%20eim%2F%C3%A4 or geh eim/äußerst") == "is ***, *** or ***"


@pytest.mark.parametrize(
    "write",
    [
        json.dumps,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        repr,
        lambda secret: repr(secret.encode()),
        quote_plus,
        lambda secret: re.sub("%..", lambda escape: escape[0].lower(), quote(secret, safe="")),
        lambda secret: base64.b64encode(secret.encode()).decode(),
    ],
)
def test_a_known_secret_is_hidden_however_it_is_written(write):
    secret = "geh eim/ä'\"\\"
    add_secret(secret)
    assert "geh" not in redact(write(secret))
    assert "***" in redact(f"x {write(secret)} y")


def test_a_short_secret_does_not_blot_out_the_log():
    add_secret("a")
    add_secret("")
    assert redact("a camera") == "a camera"


def test_the_filter_redacts_message_arguments_and_traceback():
    add_secret("geheim!")
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(logging.Formatter("%(message)s").format(record))
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("test.redaction")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        logger.warning("opening %s with %d tries", "rtsp://a:b@c", 3)
        try:
            raise ValueError("geheim! is wrong")
        except ValueError:
            logger.exception("failed")
    finally:
        logger.removeHandler(handler)
    assert lines[0] == "opening rtsp://a:***@c with 3 tries"
    assert "ValueError: *** is wrong" in lines[1]
    assert "geheim" not in lines[1].replace('raise ValueError("*** is wrong")', "")


def test_a_password_file_loses_its_line_end_only(tmp_path):
    path = tmp_path / "password"
    for raw, expected in ((b"geheim\n", "geheim"), (b"geheim\r\n", "geheim"), (b" ge heim ", " ge heim ")):
        path.write_bytes(raw)
        assert read_secret(str(path), "") == expected
    assert redact("it is geheim") == "it is ***"


def test_the_environment_gives_the_password_before_a_file():
    assert read_secret("/no/such/file", "umgebung") == "umgebung"
    assert read_secret(None, "umgebung") == "umgebung"
    assert redact("umgebung") == "***"
    assert read_secret(None, "") == ""


@pytest.mark.parametrize("raw", [b"", b"\n", b"one\ntwo\n", b"\0\1\2\3", b"x" * 5000])
def test_a_password_file_that_is_none(tmp_path, raw):
    path = tmp_path / "password"
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match="expected one line, the password") as caught:
        read_secret(str(path), "")
    assert "one\ntwo" not in str(caught.value)


def test_a_password_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere cannot be read \(No such file or directory\)"):
        read_secret(str(tmp_path / "nowhere"), "")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(str(tmp_path), "")
    (tmp_path / "latin").write_bytes(b"\xfc\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_secret(str(tmp_path / "latin"), "")


@pytest.mark.parametrize(
    ("uri", "variable"),
    [
        ("mqtt://joe:geheim@host", "MNV2_EDGE_MQTT_PASSWORD"),
        ("mqtts://:geheim@host", "MNV2_EDGE_MQTT_PASSWORD"),
        ("rtsp://joe:geheim@cam/1", "MNV2_EDGE_CAMERA_PASSWORD"),
        ("http://cam/video?password=geheim", "MNV2_EDGE_CAMERA_PASSWORD"),
    ],
)
def test_a_password_in_argv_is_refused_without_repeating_it(uri, variable):
    with pytest.raises(UsageError, match=variable) as caught:
        refuse_password_in_argv(uri)
    assert caught.value.exit_status == 2
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "pipeline",
    [
        "location=rtsp://joe:geheim@cam",
        "location=rtsp://cam user-id=joe user-pw=geheim",
        'location=rtsp://cam user-pw="geheim lich"',
        "location=rtsp://cam user-pw = geheim",
        "location=rtsp://cam proxy-pw=geheim",
    ],
)
def test_a_password_in_a_pipeline_is_refused_with_a_way_that_there_is(pipeline):
    """Neither the environment nor a password file reaches into a pipeline, nor may a configuration hold a password."""
    with pytest.raises(UsageError, match="use rtsp://USER@HOST/PATH") as caught:
        refuse_password_in_argv(f"gst:rtspsrc {pipeline} ! decodebin")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["gst:v4l2src ! jpegdec", "0", "demo", "/dev/video0", "mqtt://joe@host:1883/a", "rtsp://cam:554/1", "a:b@c"]
)
def test_what_holds_no_password_is_accepted(uri):
    refuse_password_in_argv(uri)
