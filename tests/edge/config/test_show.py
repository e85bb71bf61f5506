"""What is shown is what holds, without secrets, and reads back as the same."""

import json

import jsonschema
import pytest
import yaml

from mnv2_edge.config.model import CameraConfig, Config
from mnv2_edge.config.read import parse_config
from mnv2_edge.config.rules import registered_names
from mnv2_edge.config.schema import config_schema
from mnv2_edge.config.show import effective, to_yaml
from mnv2_edge.config.template import TEMPLATE

EXAMPLE = """\
version: 1
device: {name: Küche}
cameras: [{uri: demo, id: yard}, {uri: 0}]
engine: {mean: [1, 2, 3], std: [4, 5, 6]}
task: {groups: {cat: [tabby, "yes"]}}
sinks: [stdout, {mqtt: {uri: mqtt://b, every: frame}}]
"""


def parse(text: str) -> Config:
    return parse_config(text.encode(), "c.yaml", registered_names())


def test_defaults_are_filled_in_sinks_included():
    shown = effective(parse(EXAMPLE))
    assert shown["task"]["top_k"] is None
    assert shown["sinks"][0] == {"stdout": {"format": "auto", "records": "results"}}
    assert shown["sinks"][1]["mqtt"]["keepalive_s"] == 30
    assert shown["engine"]["mean"] == [1.0, 2.0, 3.0]


def test_what_is_shown_reads_back_as_the_same():
    config = parse(EXAMPLE)
    again = parse(to_yaml(config))
    assert effective(again) == effective(config)
    assert to_yaml(again) == to_yaml(config)
    assert "Küche" in to_yaml(config)


def test_passwords_are_not_shown():
    config = Config(
        version=1,
        cameras=(CameraConfig(uri="rtsp://me:hunter2@cam/1"),),
        sinks=({"mqtt": {"uri": "mqtt://me:hunter2@b"}}, {"other": {"deep": [{"uri": "x://me:hunter2@b"}]}}),
    )
    text = to_yaml(config)
    assert "hunter2" not in text
    assert text.count("***") == 3


@pytest.mark.parametrize("text", ["version: 1", TEMPLATE, EXAMPLE, to_yaml(Config(version=1))])
def test_what_reads_fits_the_schema(text):
    parse(text)
    jsonschema.Draft202012Validator(config_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    ["{}", "version: 2", "version: 1\nzzz: 1", "version: 1\nsinks: [mqtt: {}]", "version: 1\nengine: {threads: 0}"],
)
def test_what_does_not_read_does_not_fit_the_schema(text):
    assert not jsonschema.Draft202012Validator(config_schema()).is_valid(yaml.safe_load(text))


def test_the_schema_is_a_schema_and_json():
    schema = json.loads(json.dumps(config_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
