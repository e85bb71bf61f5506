"""Whatever names a file may name a pipe, a device or a folder: each command says so at once, in one line."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

from mnv2_edge.cli import cli
from mnv2_engines.demo import demo_engine_path
from support.command import errors
from support.networks import MobileNetV2, state_dict
from support.onnx_networks import Network
from support.special_files import KINDS, Outcome, special_files, try_commands
from support.torch_format import save_zip

BAD = "BAD"
"""Stands for the place that is tried."""
CONFIGURATION = "version: 1\n{key}\n"
NAMES = {
    "pipe": "it is a pipe, expected a regular file",
    "socket": "it is a socket, expected a regular file",
    "device": "it is a device, expected a regular file",
}

READ = {
    ("run", "model"): (65, ".tflite", "run --camera demo --max-frames 1 --model BAD"),
    ("run", "labels"): (65, ".txt", "run --camera demo --max-frames 1 --model ENGINE --labels BAD"),
    ("run", "config_file"): (78, ".yaml", "run --config BAD"),
    ("inspect", "model"): (65, ".onnx", "inspect BAD"),
    ("import-weights", "source"): (65, ".pth", "import-weights BAD -o net.onnx"),
    ("build-engine", "model"): (65, ".onnx", "build-engine BAD --calibration demo"),
    ("build-engine", "labels"): (65, ".txt", "build-engine NETWORK --name x --calibration demo --labels BAD"),
    ("evaluate", "model"): (65, ".tflite", "evaluate --model BAD --data DATA"),
    ("evaluate", "labels"): (65, ".txt", "evaluate --model ENGINE --data DATA --labels BAD"),
    ("evaluate", "float_model"): (65, ".onnx", "evaluate --model ENGINE --data DATA --float BAD"),
    ("engines import", "file"): (65, ".mnv2", "engines import BAD"),
    ("engines import", "keys"): (65, ".pub", "engines import tiny.mnv2 --trust BAD"),
    ("engines export", "key"): (65, ".key", "engines export tiny signed.mnv2 --force --sign BAD"),
    ("engines sign", "key"): (65, ".key", "engines sign tiny BAD"),
    ("models add", "source"): (65, ".tflite", "models add BAD --name mine"),
    ("models add", "labels"): (65, ".txt", "models add ENGINE --name mine --labels BAD"),
    ("config check", "file"): (78, ".yaml", "config check BAD"),
    ("config show", "file"): (78, ".yaml", "config show BAD"),
    ("doctor", "config_file"): (78, ".yaml", "doctor --config BAD"),
    ("service install", "file"): (78, ".yaml", "service install BAD --dry-run"),
}
"""What is read by which command: the status, an ending, and the command."""
WRITTEN = {
    ("cameras test", "save"): (".png", "cameras test replay:demo --seconds 0.5 --save BAD"),
    ("evaluate", "report"): (".html", "evaluate --model ENGINE --data DATA --no-float --report BAD"),
    ("import-weights", "output"): (".onnx", "import-weights WEIGHTS --force -o BAD"),
    ("config init", "file"): (".yaml", "config init --force BAD"),
    ("doctor", "report"): (".tar.gz", "doctor --force --report BAD"),
    ("engines export", "file"): (".mnv2", "engines export --force tiny BAD"),
    ("build-engine", "output"): (".tflite", "build-engine NETWORK --accept-loss --calibration demo --output BAD"),
    ("build-engine", "report"): (
        ".html",
        "build-engine NETWORK --accept-loss --calibration demo --name tiny --report BAD",
    ),
    ("setup", "output"): (".yaml", "setup --yes --output BAD"),
}
"""What is written by which command: an ending, and the command."""
FOLDERS = {
    ("run", "save"),
    ("build-engine", "validation"),
    ("evaluate", "data"),
    ("evaluate", "pictures"),
    ("models pull", "mirror"),
    ("models pull", "folder"),
    ("setup", "file"),
}
"""What is a folder, and the file that `setup` both reads and writes, which `--output` stands for."""
NEVER_OVER = {("engines keygen", "file")}
"""What refuses every name that is taken, whatever is there."""
SHORT = ("pipe", "device")
"""What would keep a reader waiting, and what would never end."""
MATRIX = [pytest.param(SHORT, id="short"), pytest.param(KINDS, id="all", marks=pytest.mark.acceptance)]
KEYS = {
    "labels": "labels: BAD",
    "engine.model": "engine: {model: BAD}",
    "cameras.password_file": "cameras: [{uri: 'rtsp://ann@127.0.0.1:9/x', password_file: BAD}]",
    "mqtt.password_file": "sinks: [{mqtt: {uri: 'mqtt://ann@127.0.0.1:9', password_file: BAD}}]",
    "mqtt.ca_file": "sinks: [{mqtt: {uri: 'mqtts://127.0.0.1:9', ca_file: BAD}}]",
    "mqtt.cert_file": "sinks: [{mqtt: {uri: 'mqtts://127.0.0.1:9', cert_file: BAD, key_file: BAD}}]",
    "cameras.uri": "cameras: [{uri: BAD}]",
    "cameras.uri.ca_file": "cameras: [{uri: 'https://127.0.0.1:9/x?ca_file=BAD'}]",
}
"""Keys of a configuration that name a file."""


def options() -> Iterator[tuple[str, str]]:
    """Yield command and parameter of everything that takes the path of a file."""

    def walk(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for below in command.list_commands(context):
                inner = command.get_command(context, below)
                assert inner is not None
                yield from walk(inner, f"{name} {below}".strip())
            return
        for param in command.params:
            metavar = param.metavar or ""
            if isinstance(param.type, click.Path) or any(word in metavar for word in ("FILE", "DIR", "MODEL")):
                yield name, str(param.name)

    yield from walk(cli, "")


def test_every_option_that_names_a_file_is_tried():
    assert set(options()) == READ.keys() | WRITTEN.keys() | FOLDERS | NEVER_OVER


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an engine, a network, weights, and pictures in class folders."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(demo_engine_path(), folder / "engine.tflite")
    shutil.copy(demo_engine_path().with_suffix(".json"), folder / "engine.json")
    network = Network()
    network.conv(3, 4)
    network.node("Relu")
    network.node("GlobalAveragePool")
    network.node("Flatten")
    network.save(folder / "network.onnx")
    save_zip(folder / "weights.pth", state_dict(MobileNetV2(0.1, (32, 32), 4)))
    for label in ("stop", "yield"):
        (folder / "data" / label).mkdir(parents=True)
        cv2.imwrite(str(folder / "data" / label / "a.png"), np.full((40, 40, 3), 90, np.uint8))
    return folder


def words(command: str, home: Path, bad: Path) -> list[str]:
    places = {
        BAD: bad,
        "ENGINE": home / "engine.tflite",
        "NETWORK": home / "network.onnx",
        "WEIGHTS": home / "weights.pth",
        "DATA": home / "data",
    }
    return [str(places.get(word, word)) for word in command.split()]


def judge(outcome: Outcome, kind: str, *, lines: int = 1) -> None:
    said = errors(outcome.err)
    assert 1 <= len(said) <= lines, outcome.err
    assert "this is a bug" not in outcome.err
    assert "Traceback" not in outcome.err
    assert NAMES.get(kind, "") in said[0]
    assert outcome.peak_mib < 512


@pytest.mark.parametrize("kinds", MATRIX)
@pytest.mark.parametrize("option", READ, ids=" ".join)
def test_what_is_read(option, kinds, home):
    status, ending, command = READ[option]
    with special_files(ending) as places:
        outcomes = try_commands([words(command, home, places[kind]) for kind in kinds], home)
    for kind, outcome in zip(kinds, outcomes, strict=True):
        judge(outcome, kind, lines=2)
        assert outcome.status in ((status, 77) if kind == "closed" else (status,)), (kind, outcome.err)


@pytest.mark.acceptance
@pytest.mark.parametrize("option", WRITTEN, ids=" ".join)
def test_what_is_written(option, home):
    """A pipe that nobody reads would keep a writer waiting, and a device or a socket is nothing to replace."""
    ending, command = WRITTEN[option]
    kinds = [kind for kind in KINDS if kind in NAMES]
    if option[0] == "engines export":
        (built,) = try_commands(
            [words("build-engine NETWORK --accept-loss --calibration demo --name tiny", home, home)], home
        )
        assert built.status == 0, built.err
    with special_files(ending) as places:
        before = {kind: places[kind].lstat().st_ino for kind in kinds}
        outcomes = try_commands([words(command, home, places[kind]) for kind in kinds], home)
        assert before == {kind: places[kind].lstat().st_ino for kind in kinds}
    for kind, outcome in zip(kinds, outcomes, strict=True):
        judge(outcome, kind)
        assert outcome.status in (1, 2, 69, 75), outcome.err


@pytest.mark.parametrize("kinds", MATRIX)
@pytest.mark.parametrize("key", KEYS)
def test_what_a_configuration_names(key, kinds, home):
    with special_files() as places:
        commands = []
        for kind in kinds:
            file = home / f"{key}-{kind}.yaml"
            file.write_text(CONFIGURATION.format(key=KEYS[key].replace(BAD, str(places[kind]))))
            if "cameras" not in KEYS[key]:
                file.write_text(file.read_text() + "cameras: [{uri: demo}]\n")
            if "engine" not in KEYS[key]:
                file.write_text(file.read_text() + f"engine: {{model: {home / 'engine.tflite'}}}\n")
            commands.append(["run", "--config", str(file), "--max-frames", "1"])
        outcomes = try_commands(commands, home)
    for kind, outcome in zip(kinds, outcomes, strict=True):
        if key == "cameras.uri" and kind == "folder":
            continue
        judge(outcome, kind if key != "cameras.uri" else "other")
        assert outcome.status in (2, 65, 69, 77, 78), outcome.err
