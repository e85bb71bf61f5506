"""Whatever names a file may name a pipe, a device or a folder: each command says so at once, in one line."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mnv2_edge.cli import cli
from mnv2_engines.demo import demo_engine_path
from support.special_files import KINDS, special_files, try_commands

BAD = "BAD"
"""Stands for the place that is tried."""
NAMES = {
    "pipe": "it is a pipe, expected a regular file",
    "socket": "it is a socket, expected a regular file",
    "device": "it is a device, expected a regular file",
}

READ = {
    ("run", "model"): (65, ".tflite", "run --camera demo --max-frames 1 --model BAD"),
    ("run", "labels"): (65, ".txt", "run --camera demo --max-frames 1 --labels BAD"),
    ("run", "config"): (78, ".yaml", "run --config BAD"),
    ("inspect", "model"): (65, ".onnx", "inspect BAD"),
    ("import-weights", "source"): (65, ".pth", "import-weights BAD -o net.onnx"),
    ("build-engine", "model"): (65, ".onnx", "build-engine BAD --calibration demo"),
    ("build-engine", "labels"): (65, ".txt", "build-engine MODEL --calibration demo --labels BAD"),
    ("evaluate", "model"): (65, ".tflite", "evaluate --model BAD --data DATA"),
    ("evaluate", "labels"): (65, ".txt", "evaluate --model ENGINE --data DATA --labels BAD"),
    ("evaluate", "float_model"): (65, ".onnx", "evaluate --model ENGINE --data DATA --float BAD"),
    ("engines import", "file"): (65, ".mnv2", "engines import BAD"),
    ("models add", "source"): (65, ".tflite", "models add BAD --name mine"),
    ("models add", "labels"): (65, ".txt", "models add ENGINE --name mine --labels BAD"),
    ("config check", "file"): (78, ".yaml", "config check BAD"),
    ("config show", "file"): (78, ".yaml", "config show BAD"),
    ("doctor", "config"): (78, ".yaml", "doctor --config BAD"),
    ("service install", "file"): (78, ".yaml", "service install BAD --dry-run"),
}
"""What is read by which command: the status, an ending, and the command."""


def options() -> Iterator[tuple[str, str]]:
    """Yield command and parameter of everything that takes the path of a file."""

    def walk(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(command, click.Group):
            for below, inner in command.commands.items():
                yield from walk(inner, f"{name} {below}".strip())
            return
        for param in command.params:
            metavar = param.metavar or ""
            if isinstance(param.type, click.Path) or "FILE" in metavar or "DIR" in metavar:
                yield name, str(param.name)

    yield from walk(cli, "")


def test_print():
    for one in options():
        if one not in READ:
            print("    ", one)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an engine, and pictures in class folders."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(demo_engine_path(), folder / "engine.tflite")
    shutil.copy(demo_engine_path().with_suffix(".json"), folder / "engine.json")
    return folder


@pytest.mark.parametrize("option", READ, ids=" ".join)
def test_what_is_read(option, home):
    status, ending, command = READ[option]
    with special_files(ending) as places:
        commands = [
            [
                {BAD: str(places[kind]), "ENGINE": str(home / "engine.tflite"), "DATA": "."}.get(word, word)
                for word in command.split()
            ]
            for kind in KINDS
        ]
        outcomes = try_commands(commands, home)
    for kind, outcome in zip(KINDS, outcomes, strict=True):
        print(kind, outcome.status, round(outcome.peak_mib), outcome.err.strip().split("\n")[-2:])
