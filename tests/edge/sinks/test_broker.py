"""Broker URIs and topics."""

import pytest

from mnv2_edge.errors import ConfigError
from mnv2_edge.sinks.broker import Broker, Topics, parse_broker


@pytest.mark.parametrize(
    ("uri", "expected", "shown"),
    [
        ("mqtt://broker.local", Broker("broker.local", 1883, False, "", "mnv2-edge"), "mqtt://broker.local:1883"),
        ("mqtts://10.0.0.2", Broker("10.0.0.2", 8883, True, "", "mnv2-edge"), "mqtts://10.0.0.2:8883"),
        ("MQTT://h:1/", Broker("h", 1, False, "", "mnv2-edge"), "mqtt://h:1"),
        ("mqtt://joe@h/home/cams/", Broker("h", 1883, False, "joe", "home/cams"), "mqtt://h:1883"),
        ("mqtt://j%40e@h", Broker("h", 1883, False, "j@e", "mnv2-edge"), "mqtt://h:1883"),
        ("mqtt://[fe80::1]:1884", Broker("fe80::1", 1884, False, "", "mnv2-edge"), "mqtt://[fe80::1]:1884"),
    ],
)
def test_what_a_uri_says(uri, expected, shown):
    assert parse_broker(uri) == expected
    assert str(expected) == shown


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("broker.local", "makes no sense: expected mqtt"),
        ("http://h", "makes no sense"),
        ("mqtt://", "makes no sense"),
        ("mqtt:///prefix", "makes no sense"),
        ("mqtt://my broker", "makes no sense"),
        ("mqtt:// ", "makes no sense"),
        ("mqtt://h?x=1", "makes no sense"),
        ("mqtt://h#x", "makes no sense"),
        ("mqtt://h/a/#", "makes no sense"),
        ("mqtt://h/a?", "makes no sense"),
        ("mqtt://h:0", "makes no sense"),
        ("mqtt://h:99999", "is not a URI"),
        ("mqtt://h:port", "is not a URI"),
        ("mqtt://[h", "is not a URI"),
        ("mqtt://a..b", "is not a URI"),
        ("mqtt://h/a//b", "topic prefix 'a//b'"),
        ("mqtt://h/a+b", "topic prefix"),
        ("mqtt://h/$SYS", "topic prefix"),
    ],
)
def test_what_is_no_broker(uri, said):
    with pytest.raises(ConfigError, match=said):
        parse_broker(uri)


@pytest.mark.parametrize("uri", ["mqtt://joe:geheim@h", "mqtt://joe:geheim@h:x", "mqtt://:geheim@h"])
def test_a_password_in_a_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(ConfigError, match=r"password|is not a URI") as caught:
        parse_broker(uri)
    assert "geheim" not in str(caught.value)


def test_topics_are_those_of_the_documentation():
    topics = Topics("mnv2-edge", "dev")
    assert topics.status == "mnv2-edge/dev/status"
    assert topics.state("cam") == "mnv2-edge/dev/cam/state"
    assert topics.result("cam") == "mnv2-edge/dev/cam/result"
    assert topics.event("cam") == "mnv2-edge/dev/cam/event"
