"""What is written is short, says what it is for, and is read as what it was written from."""

import msgspec
import pytest

from mnv2_edge.config.model import (
    CameraConfig,
    Config,
    DeviceConfig,
    EngineConfig,
    LogConfig,
    SaveConfig,
    SlowdownConfig,
    TaskConfig,
)
from mnv2_edge.config.read import parse_config, read_config
from mnv2_edge.config.rules import registered_names
from mnv2_edge.errors import ConfigError
from mnv2_edge.setup.yaml_text import configuration_text

FULL = Config(
    version=1,
    device=DeviceConfig(name="yes", instance="0x1F"),
    cameras=(
        CameraConfig(
            uri="0", id="door", pace="realtime", rotate=180, flip="both", password_file="/p: #1", required=False
        ),
        CameraConfig(uri="rtsp://ann@cam/a?b=c#d", roi=(0.0, 0.0, 1.0, 0.5), max_rate=2.5, motion=0.005, frozen_s=0.0),
        CameraConfig(uri="/home/ann/Bilder für 'heute'/" + "x" * 200),
    ),
    engine=EngineConfig(model="123", build="stale", watch=True, threads=2, mean=(0.0, 0.0, 0.0), std=(1.0, 2.0, 3.0)),
    task=TaskConfig(top_k=1, thresholds={"no": 0.5}, groups={"cat": ["tabby", "Egyptian cat"]}, softmax=False),
    labels="null",
    sinks=(
        {"stdout": {"format": "none"}},
        {"mqtt": {"uri": "mqtt://h", "homeassistant": True, "every": "frame", "heartbeat_s": 0.0}},
    ),
    save=SaveConfig(folder="seen", every_s=0.0),
    slowdown=SlowdownConfig(heat_c=70.0, free_memory_mib=0),
    log=LogConfig(level="debug"),
)


@pytest.mark.parametrize("config", [Config(version=1), FULL], ids=["nothing", "everything"])
def test_it_is_read_as_what_it_was_written_from(config, tmp_path):
    (tmp_path / "c.yaml").write_text(configuration_text(config, "c.yaml"), encoding="utf-8")
    read = read_config(tmp_path / "c.yaml")
    # A number of a sink's options may be whole in YAML and is the same number.
    assert msgspec.to_builtins(read) == msgspec.to_builtins(config)


def test_everything_means_every_section_that_there_is():
    default = Config(version=1)
    same = [name for name in Config.__struct_fields__ if getattr(FULL, name) == getattr(default, name)]
    assert same == ["version"]


def test_nothing_that_is_a_default_is_in_it():
    config = Config(
        version=1,
        cameras=(CameraConfig(uri="demo", stall_s=5.0),),
        sinks=({"stdout": {"format": "auto"}}, {"mqtt": {"uri": "mqtt://h", "keepalive_s": 30}}),
    )
    lines = [line for line in configuration_text(config, "c.yaml").splitlines() if line and not line.startswith("#")]
    assert lines == ["version: 1", "cameras:", "- uri: demo", "sinks:", "- stdout", "- mqtt:", "    uri: mqtt://h"]


def test_each_part_says_what_it_is_for_and_the_head_where_the_rest_is():
    text = configuration_text(FULL, "door.yaml")
    assert "mnv2-edge config show door.yaml" in text
    for name in ("device", "cameras", "engine", "task", "labels", "sinks", "save", "log"):
        head, _, _ = text.partition(f"\n{name}:")
        assert head.splitlines()[-1].startswith("# "), name
    assert max(len(line) for line in text.splitlines() if line.startswith("#")) < 78


def test_the_options_of_a_plug_in_are_its_own_matter(monkeypatch):
    """They are written as they are; a sink that is not installed is refused, as it is when read."""
    with pytest.raises(ConfigError, match="webhook"):
        configuration_text(Config(version=1, sinks=({"webhook": {"url": "http://h", "n": 0}},)), "c.yaml")


def test_every_default_can_be_left_out():
    for struct in (Config(version=1), FULL):
        parse_config(configuration_text(struct, "c").encode(), "c", registered_names())
