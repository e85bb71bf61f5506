"""A configuration file is read, or everything that is wrong with it is said at once."""

import math

import pytest

from mnv2_edge.config.model import CameraConfig, Config, EngineConfig
from mnv2_edge.config.read import parse_config, read_config
from mnv2_edge.config.rules import Registered, registered_names, require_valid
from mnv2_edge.errors import ConfigError, UsageError

REGISTERED = Registered(
    sources=frozenset({"demo", "file", "v4l2"}),
    sinks=frozenset({"stdout", "mqtt", "webhook"}),
    tasks=frozenset({"classify", "detect"}),
    formats=frozenset({"litert", "tensorrt"}),
)


def parse(text: str) -> Config:
    return parse_config(text.encode(), "c.yaml", REGISTERED)


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value).splitlines()


def test_version_alone_gives_the_defaults():
    assert parse("version: 1\n") == Config(version=1)


def test_everything_can_be_said():
    config = parse("""\
version: 1
device: {name: Front door, instance: a}
cameras:
  - uri: 0
  - {uri: demo, id: yard, pace: realtime, rotate: 90, flip: both, password_file: /etc/secret}
engine: {model: bird.tflite, threads: 2, mean: [1, 2, 3.5], std: [1, 1, 1], color: BGR, resize: stretch}
task: {name: detect, top_k: 1, score_threshold: 0.5, groups: {cat: [tabby, Egyptian cat], 7: [8]}}
labels: labels.txt
sinks:
  - stdout
  - mqtt: {uri: "mqtts://me@broker:8884/site", cert_file: a, key_file: b, every: frame, heartbeat_s: 0}
  - webhook: {url: x, depth: {any: [1, null, true]}}
log: {level: debug}
""")
    assert [camera.uri for camera in config.cameras] == ["0", "demo"]
    assert config.cameras[1].rotate == 90
    assert config.engine.mean == (1.0, 2.0, 3.5)
    assert config.task.groups == {"cat": ["tabby", "Egyptian cat"], "7": ["8"]}
    assert config.sinks[0] == {"stdout": {}}
    assert config.sinks[2] == {"webhook": {"url": "x", "depth": {"any": [1, None, True]}}}
    assert config.log.level == "debug"


def test_an_empty_value_is_the_default():
    empty = "version: 1\ndevice:\ncameras:\n  - uri: demo\n    id:\nengine:\n  threads: ~\nsinks:\n  - stdout:\nlog:\n"
    assert parse(empty) == Config(version=1, cameras=(CameraConfig(uri="demo"),), sinks=({"stdout": {}},))


def test_text_that_yaml_takes_for_a_number_is_taken_as_it_is_written():
    assert parse("version: 1\ndevice: {name: 007}\nlabels: 1.50\n").device.name == "007"


def test_five_mistakes_are_named_at_once_with_line_key_and_nearest_name():
    assert mistakes_in("""\
version: 1
cameras:
  - uri: 0
    rotate: 45
    pace: realtim
engine:
  treads: 2
task:
  score_threshold: high
sinks:
  - stdot
""") == [
        "c.yaml:4: cameras[0].rotate: 45, expected one of 0, 90, 180, 270",
        "c.yaml:5: cameras[0].pace: 'realtim', expected one of max, realtime, did you mean 'realtime'?",
        "c.yaml:7: engine.treads: is not a key, did you mean 'threads'?",
        "c.yaml:9: task.score_threshold: 'high', expected a number from 0 to 1",
        "c.yaml:11: sinks[0].stdot: is not an installed sink, did you mean 'stdout'?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("device: {name: x}", "c.yaml:1: version: is missing, expected 1"),
        ("version: 2", "c.yaml:1: version: 2, expected 1"),
        ("version: '1'", "c.yaml:1: version: '1', expected 1"),
        ("- version", "c.yaml:1: a list, expected a mapping with version, device, cameras"),
        ("version: 1\ntop_k: 3", "c.yaml:2: top_k: is not a key, did you mean task.top_k?"),
        ("version: 1\nuri: 3", "c.yaml:2: uri: is not a key, did you mean cameras[].uri or sinks[].mqtt.uri?"),
        ("version: 1\nzzz: 3", "c.yaml:2: zzz: is not a key, expected one of version, device, cameras, engine"),
        ("version: 1\nengine: fast", "c.yaml:2: engine: 'fast', expected a mapping with model, build, watch"),
        ("version: 1\nengine: {threads: 2.0}", "c.yaml:2: engine.threads: 2.0, expected a whole number from 1 to 64"),
        ("version: 1\nengine: {threads: 0}", "c.yaml:2: engine.threads: 0, expected a whole number from 1 to 64"),
        ("version: 1\nengine: {threads: '2'}", "expected a whole number from 1 to 64, did you mean 2?"),
        ("version: 1\nengine: {threads: yes}", "c.yaml:2: engine.threads: yes (a truth value in YAML), expected"),
        ("version: 1\ntask: {top_k: 0}", "c.yaml:2: task.top_k: 0, expected a whole number of at least 1"),
        ("version: 1\ntask: {score_threshold: 5e-1}", "'5e-1', expected a number from 0 to 1, did you mean 0.5?"),
        ("version: 1\ntask: {score_threshold: .nan}", "c.yaml:2: task.score_threshold: .nan, expected a number"),
        ("version: 1\nengine: {mean: [1, .inf, 2], std: [1, 1, 1]}", "c.yaml:2: engine.mean[1]: .inf, expected a num"),
        ("version: 1\nengine: {mean: [1, 2]}", "engine.mean: has 2 entries, expected 3 numbers, as in [1, 2, 3]"),
        (
            "version: 1\nlabels: off",
            "c.yaml:2: labels: off (a truth value in YAML), expected text, or no such key, put it in quotes",
        ),
        ("version: 1\nlabels: [a]", "c.yaml:2: labels: a list, expected text, or no such key"),
        ("version: 1\ncameras: demo", "c.yaml:2: cameras: 'demo', expected a list, a line with `- ` for each"),
        ("version: 1\ncameras: []", "c.yaml:2: cameras: has 0 entries, expected at least 1"),
        ("version: 1\ncameras: [{uri: demo, id: Ünïque}]", "expected a name of a-z, 0-9, _ and -"),
        ('version: 1\ncameras: [{uri: demo, id: "a\\n"}]', "expected a name of a-z, 0-9, _ and -"),
        ("version: 1\nsinks: {stdout: {}}", "c.yaml:2: sinks: a mapping, expected a list"),
        ("version: 1\nsinks:\n  - stdout: {}\n    mqtt: {}", "c.yaml:3: sinks[0]: a mapping, expected one sink, as in"),
        ("version: 1\nsinks: [stdout: text]", "c.yaml:2: sinks[0].stdout: 'text', expected a mapping with format"),
        ("version: 1\nsinks: [webhook: [1]]", "c.yaml:2: sinks[0].webhook: a list, expected a mapping"),
        ("version: 1\nsinks: [webhook: {password_file: [a]}]", "sinks[0].webhook.password_file: a list, expected text"),
        ("version: 1\nsinks: [stdout: {format: json}]", "did you mean 'jsonl'?"),
        ("version: 1\nsinks: [mqtt: {}]", "c.yaml:2: sinks[0].mqtt.uri: is missing, expected text"),
        ("version: 1\nsinks: [mqtt: {uri: 'mqtt://h', keepalive_s: 65536}]", "a whole number from 5 to 65535"),
        ("version: 1\nlog: {level: INFO}", "did you mean 'info'?"),
    ],
)
def test_wrong_types_and_names(text, expected):
    (mistake,) = mistakes_in(text)
    assert expected in mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "version: 1\ncameras:\n  - uri: demo\n  - uri: demo\n    id: camera0",
            "c.yaml:5: cameras[1].id: 'camera0' is the id of cameras[0] already",
        ),
        ("version: 1\ncameras: [{uri: 'demo://u:pw@h/'}]", "c.yaml:2: cameras[0].uri: holds a password"),
        ("version: 1\ncameras: [{uri: ' '}]", "c.yaml:2: cameras[0].uri: the camera is empty"),
        ("version: 1\ncameras: [{uri: 'picamra:0'}]", "no installed source is called 'picamra'"),
        (
            "version: 1\ncameras: [{uri: 'demo?seed'}]",
            "c.yaml:2: cameras[0].uri: camera options 'seed' are not options",
        ),
        ("version: 1\nengine: {std: [1, 1, 1]}", "c.yaml:2: engine.std: stands without mean, expected both or neither"),
        ("version: 1\nengine: {mean: [1, 1, 1]}", "c.yaml:2: engine.mean: stands without std"),
        ("version: 1\nengine: {mean: [1, 1, 1], std: [1, 0, 1]}", "c.yaml:2: engine.std: std (1.0, 0.0, 1.0) is out"),
        ("version: 1\ndevice: {name: '###'}", "c.yaml:2: device.name: device name '###' has no letter or digit"),
        ("version: 1\ndevice: {instance: '/'}", "c.yaml:2: device.instance: instance '/' has no letter or digit"),
        ("version: 1\nengine: {resize: centre-crop}", "did you mean 'center-crop'?"),
        ("version: 1\nengine: {resize: 'center-crop:2'}", "c.yaml:2: engine.resize: crop fraction 2.0 is out of range"),
        ("version: 1\ntask: {name: clasify}", "no installed task is called 'clasify', did you mean 'classify'?"),
        ("version: 1\ntask: {groups: {cat: []}}", "c.yaml:2: task.groups.cat: is empty, expected the labels"),
        ("version: 1\ntask: {groups: {cat: [a, b, a]}}", "c.yaml:2: task.groups.cat[2]: 'a' stands twice"),
        ("version: 1\nsinks: [stdout, stdout]", "c.yaml:2: sinks[1]: there is a stdout already"),
        (
            "version: 1\nsinks: [mqtt: {uri: 'http://h'}]",
            "c.yaml:2: sinks[0].mqtt.uri: broker 'http://h' makes no sense: expected mqtt[s]://",
        ),
        (
            "version: 1\nsinks: [mqtt: {uri: 'mqtt://h:99999'}]",
            "c.yaml:2: sinks[0].mqtt.uri: broker 'mqtt://h:99999' is not a URI",
        ),
        (
            "version: 1\nsinks: [mqtt: {uri: 'mqtt://[h'}]",
            "c.yaml:2: sinks[0].mqtt.uri: broker 'mqtt://[h' is not a URI",
        ),
        (
            "version: 1\nsinks: [mqtt: {uri: 'mqtt://u:pw@h'}]",
            "sinks[0].mqtt.uri: broker 'mqtt://u:***@h' holds a password",
        ),
        (
            "version: 1\nsinks: [mqtt: {uri: 'mqtt://h', ca_file: x}]",
            "sinks[0].mqtt.ca_file: has no effect without TLS",
        ),
        (
            "version: 1\nsinks: [mqtt: {uri: 'mqtt://h', homeassistant_prefix: 'a/#'}]",
            "sinks[0].mqtt.homeassistant_prefix: 'a/#' is not a topic",
        ),
        ("version: 1\nsinks: [mqtt: {uri: 'mqtts://h', key_file: x}]", "sinks[0].mqtt.key_file: stands without cert_"),
    ],
)
def test_rules_beyond_types(text, expected):
    (mistake,) = mistakes_in(text)
    assert expected in mistake
    assert "pw" not in mistake


def test_a_password_in_a_pipeline_has_another_way_than_a_file() -> None:
    mistakes = mistakes_in("version: 1\ncameras: [{uri: 'gst:rtspsrc user-pw=geheim ! x'}]")
    assert "from nowhere else: use rtsp://USER@HOST/PATH" in mistakes[0]
    assert "geheim" not in "".join(mistakes)


def test_a_mistake_in_a_key_hides_no_rule_about_another_and_starts_none():
    mistakes = mistakes_in("version: 1\nengine:\n  mean: [1, 2]\n  std: [1, 1, 1]\n  resize: fit\n")
    assert [mistake.split(": ")[1] for mistake in mistakes] == ["engine.mean", "engine.resize"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "c.yaml:1: is empty; `mnv2-edge config init --force c.yaml` writes a file to begin with"),
        (b"version: 1\nlabels: \xff\n", "c.yaml:2: is not UTF-8 text: byte 0xff"),
        (b"#" * 70_000, "c.yaml:1: is larger than 64 KiB, which no configuration is"),
    ],
)
def test_files_that_are_no_configuration(data, expected):
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "c.yaml", REGISTERED)
    assert str(caught.value).splitlines()[0] == expected


def test_a_byte_order_mark_is_no_mistake():
    assert parse_config(b"\xef\xbb\xbfversion: 1\n", "c.yaml", REGISTERED) == Config(version=1)


def test_many_mistakes_are_counted_and_long_values_cut():
    text = "version: 1\n" + "".join(f"key{n}: {'x' * 2000}\n" for n in range(30)) + "labels: [" + "x" * 2000 + "]\n"
    lines = mistakes_in(text + "".join(f"other{n}: 1\n" for n in range(200)))
    assert len(lines) == 101
    assert lines[-1].startswith("c.yaml: and 131 more")
    assert max(len(line) for line in lines) < 1000


def test_an_absent_file_tells_how_to_get_one(tmp_path):
    path = tmp_path / "no.yaml"
    with pytest.raises(ConfigError, match=f"{path} cannot be read: No such file or directory; `mnv2-edge config init"):
        read_config(path)


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        read_config(tmp_path)


def test_the_installed_plug_ins_are_the_ones_that_count():
    names = registered_names()
    assert {"demo", "file", "v4l2"} <= names.sources
    assert {"stdout", "mqtt"} <= names.sinks
    assert "classify" in names.tasks


def test_what_flags_made_of_a_configuration_is_held_to_the_same_rules():
    sound = Config(version=1)
    require_valid(sound)
    broken = Config(
        version=1,
        cameras=(CameraConfig(uri="rtsp://u:pw@h"),),
        engine=EngineConfig(mean=(1.0, 1.0, 1.0), resize="fit"),
        sinks=({"mqtt": {"uri": "http://h"}},),
    )
    with pytest.raises(UsageError) as caught:
        require_valid(broken)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "engine.mean",
        "engine.resize",
        "cameras[0].uri",
        "sinks[0].mqtt.uri",
    ]


@pytest.mark.parametrize("key", ["mean", "std"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_flags_may_say_what_no_file_can(key, value):
    engine = {"mean": (1.0, 1.0, 1.0), "std": (1.0, 1.0, 1.0), key: (1.0, value, 1.0)}
    with pytest.raises(UsageError, match=rf"engine\.{key}: {key} .* is out of range"):
        require_valid(Config(version=1, engine=EngineConfig(**engine)))


def test_a_sink_that_flags_left_incomplete_is_a_usage_error():
    with pytest.raises(UsageError, match=r"the sink 'mqtt' cannot be opened: .*uri"):
        require_valid(Config(version=1, sinks=({"mqtt": {"homeassistant": True}},)))


def test_a_key_with_a_line_separator_in_it_does_not_break_the_line():
    with pytest.raises(ConfigError) as caught:
        parse_config(b'version: 1\nengine: {"mo\\Ldel": x}\n', "c.yaml", REGISTERED)  # \\L is U+2028
    (line,) = str(caught.value).splitlines()
    assert line.startswith("c.yaml:2: engine.mo?del: is not a key")


@pytest.mark.parametrize("sinks", ["*a", "[*a]", "[{webhook: *a}]"])
def test_what_is_refused_already_is_not_called_something_else_too(sinks):
    (mistake,) = mistakes_in(f"version: 1\ncameras: &a [{{uri: demo}}]\nsinks: {sinks}\n")
    assert "aliases (*a) are not supported" in mistake


@pytest.mark.parametrize(
    "line",
    [
        "save: {folder: ''}",
        "labels: ''",
        "engine: {model: ' '}",
        "cameras: [{password_file: ''}]",
        "sinks: [{mqtt: {uri: mqtt://broker, password_file: ''}}]",
        "sinks: [{mqtt: {uri: mqtts://broker, ca_file: ''}}]",
    ],
)
def test_an_empty_name_of_a_file_means_neither_none_nor_this_folder(line):
    (mistake,) = mistakes_in(f"version: 1\n{line}\n")
    assert "expected text, or no such key" in mistake


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("{tensort: {memory: copy}}", "engine.options.tensort: is not an installed engine format"),
        ("{tensorrt: {memory: mappd}}", "engine.options.tensorrt: Invalid enum value 'mappd'"),
        ("{tensorrt: {threads: 2}}", "it takes memory, graph"),
        ("{litert: {threads: 0}}", "engine.options.litert: "),
        ("{litert: 3}", "engine.options.litert: "),
    ],
)
def test_options_of_engine_formats_are_checked_by_the_format(options, says):
    (mistake,) = mistakes_in(f"version: 1\nengine: {{options: {options}}}\n")
    assert says in mistake


def test_several_formats_may_have_options():
    config = parse("version: 1\nengine: {options: {tensorrt: {graph: never}, litert: {threads: 2}}}\n")
    assert config.engine.options == {"tensorrt": {"graph": "never"}, "litert": {"threads": 2}}
