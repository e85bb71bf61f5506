"""What is published is what the schema and the documentation say."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from mnv2_edge.host.clock import Clock
from mnv2_edge.records import CameraState, Event, Result, encode, json_schema
from mnv2_edge.testing import sample_records

VALIDATOR = Draft202012Validator(json_schema(), format_checker=FormatChecker())
RECORDS = sample_records()


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.type)
def test_every_record_is_valid_and_says_what_it_is(record):
    line = encode(record)
    assert b"\n" not in line
    published = json.loads(line)
    VALIDATOR.validate(published)
    assert published["version"] == 1
    assert published["type"] == record.type


@pytest.mark.parametrize("kind", [Result, CameraState, Event])
def test_every_field_is_in_the_schema_and_the_other_way_round(kind):
    schema = json_schema()["$defs"][kind.__name__]
    assert set(schema["properties"]) == {field.name for field in dataclasses.fields(kind)}
    without_default = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    assert set(schema["required"]) >= (without_default - {"details"}) | {"type", "version"}


def test_a_time_stamp_of_the_clock_is_valid(make_stamped):
    VALIDATOR.validate(json.loads(encode(make_stamped(Clock().stamp(1)))))


@pytest.fixture
def make_stamped():
    return lambda stamp: dataclasses.replace(RECORDS[1], captured=stamp)


def broken(**changes):
    published = json.loads(encode(RECORDS[1]))
    for key, value in changes.items():
        if value is None:
            del published[key]
        else:
            published[key] = value
    return published


@pytest.mark.parametrize(
    "published",
    [
        broken(type="results"),
        broken(version=2),
        broken(type=None),
        broken(version=None),
        broken(frame=None),
        broken(frame=-1),
        broken(frame="7"),
        broken(predictions=[{"class_id": 1, "label": "x", "score": 1.5}]),
        broken(predictions=[{"label": "x", "score": 0.5}]),
        {},
    ],
)
def test_what_is_no_record_is_refused(published):
    with pytest.raises(ValidationError):
        VALIDATOR.validate(published)


def test_a_reader_survives_fields_that_it_does_not_know():
    published = broken(invented_later=1)
    VALIDATOR.validate(published)
    assert msgspec.json.decode(json.dumps(published), type=Result) == RECORDS[1]


def test_text_of_any_language_survives():
    record = dataclasses.replace(RECORDS[0], reason='Kabel "los" \N{WARNING SIGN}')
    assert json.loads(encode(record).decode())["reason"] == record.reason


def test_a_file_name_that_is_no_utf_8_is_published_readably():
    (result,) = (record for record in RECORDS if isinstance(record, Result))
    published = json.loads(encode(dataclasses.replace(result, picture=os.fsdecode(b"caf\xe9 \xc3\xa9.jpg"))))
    assert published["picture"] == "caf? é.jpg"
    VALIDATOR.validate(published)
    assert published | {"picture": ""} == json.loads(encode(result))


def test_the_command_prints_this_schema():
    done = subprocess.run([sys.executable, "-m", "mnv2_edge", "schema"], capture_output=True, check=True)
    assert json.loads(done.stdout) == json_schema()


@pytest.fixture(scope="module")
def documentation(root):
    return (root / "docs" / "records.md").read_text()


def test_the_examples_of_the_documentation_are_valid(documentation):
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", documentation, re.DOTALL)]
    assert {example["type"] for example in examples} == {"result", "state", "event"}
    for example in examples:
        VALIDATOR.validate(example)
        known = json_schema()["$defs"][{"result": "Result", "state": "CameraState", "event": "Event"}[example["type"]]]
        assert set(example) == set(known["properties"]), "an example shows every field"


def test_the_documentation_explains_every_field(documentation):
    for name, definition in json_schema()["$defs"].items():
        for field in definition["properties"]:
            assert re.search(rf"^\| `{field}` \|", documentation, re.MULTILINE), f"{field} of {name} is not explained"
