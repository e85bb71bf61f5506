"""What we start runs none of the files of the folder in which somebody happens to be."""

import subprocess
from pathlib import Path

import pytest

from mnv2_engines.child_python import code_command, module_command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with modules that are called as others are."""
    for name in ("json", "numpy", "mnv2_engines", "runpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ran what lies here')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_code(here) -> None:
    assert run(code_command("import json, numpy; print(json.dumps(sys.argv))", "a b")) == '["-c", "a b"]\n'


def test_a_module(here) -> None:
    assert run(module_command("json.tool", "--help")).startswith("usage: ")
    assert "file" in run(module_command("mnv2_engines.first_load", "/nowhere/engine.tflite"))


def test_nothing_is_taken_away_where_python_does_not_look_there(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    assert run(code_command("import json; print(json.dumps(1))")) == "1\n"
