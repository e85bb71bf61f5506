"""Publishing to a real mosquitto, read by a real mosquitto_sub, through everything that happens to a broker."""

import itertools
import json
import logging
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing

import pytest
from jsonschema import Draft202012Validator

from mnv2_edge.errors import ConfigError
from mnv2_edge.records import json_schema
from mnv2_edge.sinks import BACKLOG, SinkOptions
from mnv2_edge.sinks.connection_errors import Delays
from mnv2_edge.sinks.mqtt import open_mqtt
from mnv2_edge.testing import check_sink, sample_records
from support.mosquitto import Mosquitto, free_port
from support.system import need_command

pytestmark = pytest.mark.mosquitto

STATUS = "mnv2-edge/dev/status"
STATE = "mnv2-edge/dev/cam/state"
RESULT = "mnv2-edge/dev/cam/result"


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(Delays, "usual", classmethod(lambda cls: cls(0.1, 1.0)))  # tests have less time than users


@pytest.fixture
def broker(tmp_path):
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.kill()


def options(uri, *, device="dev", secret="", **own):
    return SinkOptions("mqtt", device, "Device", "", ("cam",), options={"uri": uri, **own}, secret=secret)


def until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def labels(subscriber, topic=RESULT):
    return [json.loads(payload)["predictions"][0]["label"] for payload in subscriber.on(topic)]


def test_everything_arrives_where_it_belongs_and_is_valid(broker, stack):
    subscriber = stack.enter_context(closing(broker.subscribe("mnv2-edge/#")))
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri))))
    state, result, event = sample_records()
    for record in (state, result, event):
        sink.publish(record)
    subscriber.wait(lambda: len(subscriber.messages) >= 4)
    sink.close()
    subscriber.wait_for(STATUS, "online", "offline")
    validator = Draft202012Validator(json_schema())
    by_topic = {message.topic: message.payload for message in subscriber.messages}
    assert set(by_topic) == {STATUS, *(f"mnv2-edge/dev/camera0/{leaf}" for leaf in ("state", "result", "event"))}
    for topic in set(by_topic) - {STATUS}:
        validator.validate(json.loads(by_topic[topic]))
    assert json.loads(by_topic["mnv2-edge/dev/camera0/result"])["predictions"][0]["label"] == "stop"


def test_status_and_states_are_retained_results_and_events_are_not(broker, stack, make_state):
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri))))
    for record in (*sample_records(), make_state("reconnecting"), make_state("streaming")):
        sink.publish(record)
    assert sink.wait_backlog(0, 5.0)
    late = stack.enter_context(closing(broker.subscribe("mnv2-edge/#")))
    late.wait(lambda: len(late.messages) == 3)
    assert {message.topic for message in late.messages} == {STATUS, STATE, "mnv2-edge/dev/camera0/state"}
    assert all(message.retained for message in late.messages)
    assert json.loads(late.on(STATE)[-1])["state"] == "streaming"


def test_only_changes_are_published_by_default(broker, stack, make_result):
    subscriber = stack.enter_context(closing(broker.subscribe(RESULT)))
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, min_interval_s=0))))
    for frame, label in enumerate("aaabbbbac"):
        sink.publish(make_result(label, frame))
        assert sink.wait_backlog(0, 5.0)  # at 0 s every change passes as soon as it is seen
    sink.close()
    subscriber.wait(lambda: labels(subscriber)[-1:] == ["c"])
    assert labels(subscriber) == ["a", "b", "a", "c"]


def test_a_change_within_the_interval_is_published_at_its_end(broker, stack, make_result):
    subscriber = stack.enter_context(closing(broker.subscribe(RESULT)))
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, min_interval_s=1.0))))
    sink.publish(make_result("a", 0))
    subscriber.wait(lambda: labels(subscriber) == ["a"])
    began = time.monotonic()
    for frame, label in enumerate("bcb", start=1):
        sink.publish(make_result(label, frame))
    subscriber.wait(lambda: labels(subscriber) == ["a", "b"])
    assert time.monotonic() - began > 0.3
    assert json.loads(subscriber.on(RESULT)[-1])["frame"] == 3


def test_a_heartbeat_comes_without_a_change(broker, stack, make_result):
    subscriber = stack.enter_context(closing(broker.subscribe(RESULT)))
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, heartbeat_s=0.3))))
    began = time.monotonic()
    for frame in range(60):
        sink.publish(make_result("a", frame))
        time.sleep(0.02)
    took = time.monotonic() - began
    subscriber.wait(lambda: len(subscriber._payloads(RESULT)) >= 3)
    assert len(subscriber.on(RESULT)) <= 2 + took / 0.3


def test_every_frame_of_a_file_arrives_in_order(broker, stack, make_result):
    subscriber = stack.enter_context(closing(broker.subscribe(RESULT)))
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, every="frame"))))
    for frame in range(1500):
        while not sink.wait_backlog(BACKLOG, 0.1):
            pass
        sink.publish(make_result("a", frame))
    while not sink.wait_backlog(0, 0.1):
        pass
    sink.close()
    subscriber.wait(lambda: len(subscriber._payloads(RESULT)) == 1500)
    assert [json.loads(payload)["frame"] for payload in subscriber.on(RESULT)] == list(range(1500))
    assert sink.dropped == 0


def test_a_run_that_is_over_at_once_is_published_all_the_same(broker, stack, make_result, make_state):
    subscriber = stack.enter_context(closing(broker.subscribe("mnv2-edge/#")))
    with closing(open_mqtt(options(broker.uri))) as sink:
        sink.publish(make_state("streaming"))
        sink.publish(make_result("a", 0))
        sink.publish(make_result("b", 1))  # within the interval, and there is no later
        sink.publish(make_state("ended"))
    subscriber.wait_for(STATUS, "online", "offline")
    assert labels(subscriber)[-1] == "b"
    assert json.loads(subscriber.on(STATE)[-1])["state"] == "ended"


CHILD = """
import sys, time
from mnv2_edge.sinks import SinkOptions
from mnv2_edge.sinks.mqtt import open_mqtt
from mnv2_edge.sinks.connection_errors import Delays
from mnv2_edge.testing import sample_records
sink = open_mqtt(SinkOptions("mqtt", "dev", "Device", "", ("cam",), options={"uri": sys.argv[1]}))
while True:
    for record in sample_records():
        sink.publish(record)
    time.sleep(0.05)
"""


def test_the_last_will_is_seen_after_kill_9(broker, stack):
    subscriber = stack.enter_context(closing(broker.subscribe(STATUS)))
    child = subprocess.Popen([sys.executable, "-c", CHILD, broker.uri])
    stack.callback(child.wait)
    stack.callback(child.kill)
    subscriber.wait_for(STATUS, "online", timeout_s=20)
    child.send_signal(signal.SIGKILL)
    subscriber.wait_for(STATUS, "online", "offline")
    late = stack.enter_context(closing(broker.subscribe(STATUS)))
    late.wait_for(STATUS, "offline")
    assert late.messages[0].retained


def test_a_broker_that_is_down_at_first_is_said_once_and_found_later(tmp_path, stack, make_result, make_state, caplog):
    caplog.set_level(logging.INFO)
    broker = Mosquitto(tmp_path)
    stack.callback(broker.kill)
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri))))
    sink.publish(make_state("streaming"))
    sink.publish(make_result("a", 0))
    until(lambda: caplog.records)
    assert sink.wait_backlog(0, 0.0)  # nobody waits for a broker that is not there
    assert not sink.broken
    time.sleep(1.0)
    broker.start()
    subscriber = stack.enter_context(closing(broker.subscribe("mnv2-edge/#")))
    subscriber.wait(lambda: len(subscriber.messages) >= 3, timeout_s=20)
    assert labels(subscriber) == ["a"]
    assert json.loads(subscriber.on(STATE)[-1])["state"] == "streaming"
    said = [record.message for record in caplog.records if record.name.startswith("mnv2_edge")]
    assert len(said) == 2, said
    assert said[0].startswith(f"broker {broker.uri} cannot be reached (Connection refused): trying again")
    assert said[1] == f"connected to {broker.uri} as mnv2-edge-dev"


def test_a_broker_that_is_killed_and_restarted_is_told_everything_again(
    broker, stack, make_result, make_state, monkeypatch
):
    monkeypatch.setattr(Delays, "usual", classmethod(lambda cls: cls(2.0, 2.0)))  # so the subscriber is there before
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, homeassistant=True))))
    sink.publish(make_state("streaming"))
    sink.publish(make_result("a", 0))
    until(lambda: sink._session.connected and sink.wait_backlog(0, 0.0))
    broker.kill()
    until(lambda: not sink._session.connected)
    sink.publish(make_result("b", 1))
    sink.publish(make_state("stalled"))
    broker.start()  # without any memory of what was retained
    subscriber = stack.enter_context(closing(broker.subscribe("#")))
    subscriber.wait(lambda: len(subscriber.messages) >= 4, timeout_s=20)
    assert labels(subscriber) == ["b"]
    assert subscriber.on(STATUS) == ["online"]
    assert json.loads(subscriber.on(STATE)[-1])["state"] == "stalled"
    assert subscriber.on("homeassistant/device/mnv2-edge-dev/config")
    sink.publish(make_result("c", 2))
    subscriber.wait(lambda: labels(subscriber) == ["b", "c"])


def test_a_frozen_broker_holds_nobody_up_and_the_memory_is_bounded(broker, stack, make_result):
    sink = open_mqtt(options(broker.uri, every="frame"))
    until(lambda: sink._session.connected)
    broker.freeze()
    slowest = 0.0
    frames = itertools.count()
    deadline = time.monotonic() + 60
    while sink.wait_backlog(0, 0.2):  # the kernel keeps some megabytes for a socket: until it takes no more
        assert time.monotonic() < deadline, "a frozen broker still took everything"
        for frame in itertools.islice(frames, 1000):
            began = time.monotonic()
            sink.publish(make_result("a", frame))
            slowest = max(slowest, time.monotonic() - began)
    for frame in itertools.islice(frames, 3000):  # more than all queues hold
        sink.publish(make_result("a", frame))
    assert slowest < 1.0  # the machine may be busy; a blocked write would last for ever
    until(lambda: sink.dropped > 0)
    assert sink._backlog() <= 1024 + 256 + 101
    assert not sink.wait_backlog(0, 0.05)
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1.0
    broker.thaw()
    subscriber = stack.enter_context(closing(broker.subscribe(STATUS)))
    subscriber.wait_for(STATUS, "offline")


def test_closing_says_offline_also_to_a_broker_that_wakes_up_later(broker, stack, make_result):
    sink = open_mqtt(options(broker.uri))
    subscriber = stack.enter_context(closing(broker.subscribe(STATUS)))
    subscriber.wait_for(STATUS, "online")
    broker.freeze()
    sink.publish(make_result())
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 1.0
    broker.thaw()
    subscriber.wait_for(STATUS, "offline")


def test_a_broker_that_comes_back_to_life_gets_results_again(broker, stack, make_result):
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, min_interval_s=0))))
    subscriber = stack.enter_context(closing(broker.subscribe(RESULT)))
    sink.publish(make_result("a"))
    subscriber.wait(lambda: labels(subscriber) == ["a"])
    broker.freeze()
    sink.publish(make_result("b"))
    time.sleep(0.3)
    broker.thaw()
    sink.publish(make_result("c"))
    subscriber.wait(lambda: labels(subscriber)[-1:] == ["c"])


def test_closing_is_quick_without_a_broker(tmp_path):
    sink = open_mqtt(options(f"mqtt://127.0.0.1:{free_port()}"))
    until(lambda: sink._session.settled)
    began = time.monotonic()
    sink.close()
    sink.close()
    assert time.monotonic() - began < 1.0


def test_another_client_with_the_same_id_is_named_once(broker, stack, caplog):
    for device in ("one", "two"):
        stack.enter_context(closing(open_mqtt(options(broker.uri, device=device, client_id="twin"))))
    until(lambda: errors(caplog), timeout_s=20)
    assert "another client uses id twin; give this device a name of its own (--device-name)" in errors(caplog)[0]
    time.sleep(1.0)  # whoever has noticed comes back rarely, so that the other one has some peace
    assert len(errors(caplog)) == 1


def errors(caplog):
    return [record.message for record in caplog.records if record.levelno == logging.ERROR]


def test_a_wrong_password_is_said_and_tried_rarely_the_right_one_works(tmp_path, stack, make_result, caplog):
    file = tmp_path / "passwords"
    program = need_command("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-c", "-b", str(file), "joe", "geheim"], check=True)
    broker = Mosquitto(tmp_path, settings=f"allow_anonymous false\npassword_file {file}")
    stack.callback(broker.kill)
    broker.start()
    uri = broker.uri.replace("://", "://joe@")
    wrong = stack.enter_context(closing(open_mqtt(options(uri, secret="falsch"))))
    until(lambda: caplog.records)
    assert "refuses user 'joe'" in caplog.text
    assert "set MNV2_EDGE_MQTT_PASSWORD or `password_file`" in caplog.text
    assert "falsch" not in caplog.text
    assert wrong._session._client._reconnect_delay_mutex is not None
    assert wrong._session._client._reconnect_min_delay >= 45
    subscriber = stack.enter_context(closing(broker.subscribe("#", options=("-u", "joe", "-P", "geheim"))))
    stack.enter_context(closing(open_mqtt(options(uri, secret="geheim", device="right"))))
    subscriber.wait_for("mnv2-edge/right/status", "online")


def test_home_assistant_is_told_and_told_again_when_it_starts(broker, stack, make_result, make_state):
    topic = "homeassistant/device/mnv2-edge-dev/config"
    subscriber = stack.enter_context(closing(broker.subscribe(topic, STATE, RESULT)))
    sink = stack.enter_context(closing(open_mqtt(options(broker.uri, homeassistant=True))))
    subscriber.wait(lambda: len(subscriber._payloads(topic)) == 1)
    sink.publish(make_state("streaming"))
    sink.publish(make_result("a"))
    subscriber.wait(lambda: len(subscriber._payloads(RESULT)) == 1)
    broker.publish("homeassistant/status", "offline")
    broker.publish("homeassistant/status", "online")
    subscriber.wait(lambda: len(subscriber._payloads(topic)) == 2)
    subscriber.wait(lambda: len(subscriber._payloads(RESULT)) == 2)  # they are not retained
    subscriber.wait(lambda: len(subscriber._payloads(STATE)) == 2)
    late = stack.enter_context(closing(broker.subscribe(topic)))
    late.wait(lambda: len(late.messages) == 1)
    assert late.messages[0].retained


def test_without_the_switch_home_assistant_is_not_told(broker, stack, make_state):
    subscriber = stack.enter_context(closing(broker.subscribe("#")))
    with closing(open_mqtt(options(broker.uri))) as sink:
        sink.publish(make_state())
    subscriber.wait_for(STATUS, "online", "offline")
    assert not [message for message in subscriber.messages if message.topic.startswith("homeassistant")]


def test_it_keeps_the_contract_of_a_sink_with_and_without_broker(broker):
    check_sink(lambda: open_mqtt(options(broker.uri)))
    check_sink(lambda: open_mqtt(options(broker.uri, every="frame", homeassistant=True)))
    check_sink(lambda: open_mqtt(options(f"mqtt://127.0.0.1:{free_port()}")))


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"uri": "mqtt://h", "evry": "frame"}, r"options of the sink 'mqtt': .*evry.*it takes uri, password_file"),
        ({}, r"missing required field `uri`"),
        ({"uri": "http://host"}, r"makes no sense: expected mqtt\[s\]://"),
        ({"uri": "mqtts://h", "ca_file": "/none.pem"}, r"ca_file /none\.pem cannot be used"),
        ({"uri": "mqtts://h", "key_file": "/none.pem"}, r"key_file /none\.pem is given without cert_file"),
    ],
)
def test_options_that_make_no_sense(own, said):
    with pytest.raises(ConfigError, match=said):
        open_mqtt(SinkOptions("mqtt", "dev", "Device", "", ("cam",), options=own))
