"""Home Assistant's discovery document against what the documentation of its MQTT integration asks for."""

import json

from mnv2_edge.sinks.broker import Topics
from mnv2_edge.sinks.home_assistant import discovery_document, discovery_topic, status_topic


def document():
    return json.loads(discovery_document(Topics("home", "porch"), "Haustür", ("front", "back")))


def test_topics():
    assert discovery_topic("homeassistant", "porch") == "homeassistant/device/mnv2-edge-porch/config"
    assert discovery_topic("ha", "a.b c") == "ha/device/mnv2-edge-a_b_c/config"
    assert status_topic("homeassistant") == "homeassistant/status"


def test_device_and_origin():
    said = document()
    assert said["dev"]["ids"] == ["mnv2-edge-porch"]
    assert said["dev"]["name"] == "Haustür"
    assert said["o"]["name"] == "mnv2-edge"


def test_a_label_sensor_for_each_camera():
    components = document()["cmps"]
    assert set(components) == {"front_label", "back_label"}
    front = components["front_label"]
    assert front["p"] == "sensor"
    assert front["state_topic"] == front["json_attributes_topic"] == "home/porch/front/result"
    assert len({component["unique_id"] for component in components.values()}) == 2


def test_a_sensor_is_available_while_process_and_camera_are():
    front = document()["cmps"]["front_label"]
    assert front["availability_mode"] == "all"
    status, camera = front["availability"]
    assert status == {"topic": "home/porch/status"}  # online and offline are Home Assistant's defaults
    assert camera["topic"] == "home/porch/front/state"
    assert "value_json.state == 'streaming'" in camera["value_template"]


def test_a_name_in_another_encoding_does_no_harm():
    said = json.loads(discovery_document(Topics("home", "porch"), "Haust\udcfcr", ("front",)))
    assert said["dev"]["name"] == "Haust?r"
