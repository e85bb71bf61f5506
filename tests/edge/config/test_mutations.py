"""Whatever a file holds, it is a configuration or a ConfigError that names file and line: never anything else."""

import random
import re

import pytest

from mnv2_edge.config.model import Config
from mnv2_edge.config.read import parse_config
from mnv2_edge.config.rules import registered_names
from mnv2_edge.config.show import to_yaml
from mnv2_edge.config.template import TEMPLATE
from mnv2_edge.errors import ConfigError

REGISTERED = registered_names()
BASE = """\
version: 1
device: {name: Front door, instance: a}
cameras:
  - uri: 0
    id: yard
    rotate: 90
  - {uri: demo, pace: realtime, flip: both}
engine:
  model: bird.tflite
  threads: 2
  mean: [1, 2, 3.5]
  std: [1, 1, 1]
  resize: center-crop:0.875
task:
  top_k: 1
  score_threshold: 0.5
  groups: {cat: [tabby, "Egyptian cat"]}
labels: labels.txt
sinks:
  - stdout
  - mqtt: {uri: "mqtts://me@broker:8884/site", cert_file: a, key_file: b, every: frame, heartbeat_s: 0}
log: {level: debug}
"""
VALUES = """~ yes 0 -1 1e400 .nan 0x_ 1:61 "" '' [] {} [[1]] {a: 1} - ? ! & * *x &x !!binary !!set | > # % @ ` \x00 \x85
\ud800 2001-99-99 999999999999999999999999 \U0001f600 mqtt://[ rtsp://a:b@c "\\x" {{ }} <<: null 0.0.0 ///// ././."""


def mutate_line(line: str, random_: random.Random) -> list[str]:
    """Return what stands in the place of one line."""
    at = random_.randrange(len(line) + 1)
    return random_.choice(
        [
            [],
            [line, line],
            [line[:at] + line[at + random_.randint(1, 5) :]],
            [line[:at] + chr(random_.choice([random_.randrange(128), 0x2028])) + line[at:]],
            [line[:at] + random_.choice("[]{},:#'\"&*!|>%-?\t\n") + line[at:]],
            [re.sub(r":.*", lambda _: f": {random_.choice(VALUES.split())}", line)],
            [" " * random_.randrange(6) + line.lstrip()],
            [line.swapcase()],
        ]
    )


def mutate(text: str, random_: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    for _ in range(random_.randint(1, 4)):
        if lines:
            where = random_.randrange(len(lines))
            lines[where : where + 1] = mutate_line(lines[where], random_)
    if random_.random() < 0.05:
        random_.shuffle(lines)
    data = "".join(lines).encode("utf-8", "surrogatepass")
    if random_.random() < 0.1 and data:
        at = random_.randrange(len(data))
        data = data[:at] + bytes([random_.randrange(256)]) + data[at + random_.randrange(2) :]
    return data


def judge(seeds: range) -> tuple[int, int]:
    accepted = refused = 0
    for seed in seeds:
        random_ = random.Random(seed)
        data = mutate(random_.choice([BASE, BASE, TEMPLATE]), random_)
        try:
            config = parse_config(data, "c.yaml", REGISTERED)
        except ConfigError as exc:
            lines = str(exc).splitlines()
            refused += 1
        else:
            assert isinstance(config, Config)
            lines = []
            to_yaml(config)
            accepted += 1
        for line in lines:
            assert re.match(r"c\.yaml:[1-9]\d*: .+|c\.yaml: and \d+ more", line), (seed, line)
    return accepted, refused


def test_500_mutated_configurations():
    accepted, refused = judge(range(500))
    assert accepted > 50  # else the mutations say nothing about what is accepted
    assert refused > 200


@pytest.mark.acceptance
def test_10_000_mutated_configurations():
    accepted, refused = judge(range(1000, 11_000))
    assert accepted + refused == 10_000
