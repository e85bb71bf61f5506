"""docs/architecture.md names modules and folders that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SOURCES = {"mnv2_edge": ROOT / "edge", "mnv2_engines": ROOT / "engines"}
DOTTED = sorted(set(re.findall(r"`((?:mnv2_edge|mnv2_engines)(?:\.\w+)*)", PAGE)))


def exists(dotted: str) -> bool:
    """Return whether this is a module, a package, or a public name in one."""
    path = SOURCES[dotted.partition(".")[0]].joinpath(*dotted.split("."))
    if path.with_suffix(".py").is_file() or path.is_dir():
        return True
    module = path.parent.with_suffix(".py")
    return module.is_file() and f'"{path.name}"' in module.read_text(encoding="utf-8")


def test_the_page_names_modules():
    assert len(DOTTED) > 30


@pytest.mark.parametrize("dotted", DOTTED)
def test_what_the_page_names_is_there(dotted):
    assert exists(dotted)


def test_every_folder_of_the_runtime_path_is_on_the_page():
    for folder in ("sources", "pipeline", "inference", "building", "sinks", "saving", "cli", "config", "doctor"):
        assert f"mnv2_edge.{folder}" in PAGE
    for folder in ("backends", "building", "engine", "proof", "preprocessing", "tasks", "tflite", "tensorrt", "store"):
        assert f"mnv2_engines.{folder}" in PAGE
