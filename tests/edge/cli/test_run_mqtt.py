"""The command `run` with a real broker and a real subscriber."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from mnv2_edge.records import json_schema
from support.command import call, start
from support.mosquitto import Mosquitto, Subscriber

pytestmark = pytest.mark.mosquitto

NAME = ("--device-name", "porch")
FOREVER = ("run", "--camera", "demo", "--format", "none", *NAME)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    subscriber = broker.subscribe("mnv2-edge/#")
    yield subscriber
    subscriber.close()


def test_photographs_are_named_rightly_to_a_subscriber(
    shared: Path, tmp_path: Path, broker: Mosquitto, subscriber: Subscriber
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"version: 1\nsinks: [{{mqtt: {{uri: '{broker.uri}', every: frame}}}}]\n")
    models = shared / "models"
    done = call(
        "run", "--config", config, "--camera", shared / "images", *NAME, "--labels", models / "imagenet_labels.txt",
        "--model", models / "mobilenet_v2_1.0_224_quant.tflite", home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    subscriber.wait_for("mnv2-edge/porch/status", "offline")
    results = [json.loads(payload) for payload in subscriber.on("mnv2-edge/porch/camera0/result")]
    validator = jsonschema.Draft202012Validator(json_schema())
    for record in [*results, *map(json.loads, subscriber.on("mnv2-edge/porch/camera0/state"))]:
        validator.validate(record)
    best = {record["picture"]: record["predictions"][0]["label"] for record in results}
    assert len(best) == len(results) == 11
    assert best["cat_720p.jpg"] == "Egyptian cat"
    assert best["parrot.jpg"] == "macaw"
    assert best["hot_dog.jpg"].startswith("hotdog")
    assert best["bus.jpg"] == "minibus"
    assert subscriber.on("mnv2-edge/porch/status") == ["online", "offline"]


def test_kill_9_is_seen_through_the_last_will(tmp_path: Path, broker: Mosquitto, subscriber: Subscriber) -> None:
    process = start(*FOREVER, "--mqtt", broker.uri, home=tmp_path)
    try:
        subscriber.wait(lambda: any(message.topic.endswith("/result") for message in subscriber.messages))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    subscriber.wait_for("mnv2-edge/porch/status", "online", "offline")


def test_sigterm_says_offline_within_a_second(tmp_path: Path, broker: Mosquitto, subscriber: Subscriber) -> None:
    process = start(*FOREVER, "--mqtt", broker.uri, home=tmp_path)
    subscriber.wait_for("mnv2-edge/porch/status", "online")
    subscriber.wait(lambda: any(message.topic.endswith("/result") for message in subscriber.messages))  # it runs
    began = time.monotonic()
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 1.0
    assert process.returncode == 0, err
    subscriber.wait_for("mnv2-edge/porch/status", "online", "offline")


def test_it_goes_on_while_the_broker_is_away(tmp_path: Path, broker: Mosquitto) -> None:
    process = start("run", "--camera", "demo", *NAME, "--mqtt", broker.uri, home=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    broker.kill()
    for _ in range(60):  # two seconds of frames while nobody listens
        process.stdout.readline()
    broker.start()
    again = broker.subscribe("mnv2-edge/#")
    try:
        again.wait(lambda: bool(again._payloads("mnv2-edge/porch/camera0/result")), 20)
        assert again.on("mnv2-edge/porch/status")[-1] == "online"
        assert '"state":"streaming"' in again.on("mnv2-edge/porch/camera0/state")[-1]
    finally:
        process.terminate()
        process.communicate(timeout=10)
        again.close()
    assert process.returncode == 0


def test_a_frozen_broker_does_not_hold_up_frames_or_the_end(tmp_path: Path, broker: Mosquitto) -> None:
    process = start("run", "--camera", "demo", *NAME, "--mqtt", broker.uri, home=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)
    broker.freeze()
    ages = [json.loads(process.stdout.readline())["age_ms"] for _ in range(90)]
    began = time.monotonic()
    process.terminate()
    process.communicate(timeout=10)
    took = time.monotonic() - began
    broker.thaw()
    assert process.returncode == 0
    assert sorted(ages)[len(ages) // 2] < 100
    assert took < 1.5


def test_a_broker_that_is_down_at_the_start_is_said_once(tmp_path: Path) -> None:
    done = call("run", "--camera", "demo?frames=60", "--format", "none", "--mqtt", "mqtt://127.0.0.1:9", home=tmp_path)
    assert done.returncode == 75  # it came to its end, and nobody has heard of it
    assert sum("127.0.0.1:9" in line for line in done.stderr.splitlines()) == 1
    assert "records are lost" in done.stderr
