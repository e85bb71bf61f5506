"""What we start runs none of the files of the folder in which somebody happens to be."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

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
    assert "file" in run(module_command("mnv2_engines.proof.first_load", "/nowhere/engine.tflite"))


def test_what_an_isolated_one_starts_is_isolated(here) -> None:
    code = "import sys; from mnv2_engines.child_python import code_command; print(code_command('')[1:3])"
    assert run([sys.executable, "-I", "-c", code]) == "['-I', '-c']\n"
    assert code_command("")[1] == ("-I" if sys.flags.isolated else "-c")


def test_an_isolated_one_runs_code_and_modules(here, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(here))
    isolated = SimpleNamespace(executable=sys.executable, flags=SimpleNamespace(isolated=1))
    monkeypatch.setattr("mnv2_engines.child_python.sys", isolated)
    assert run(code_command("import json; print(json.dumps(sys.argv))", "a b")) == '["-c", "a b"]\n'
    assert run(module_command("json.tool", "--help")).startswith("usage: ")


def test_nothing_is_taken_away_where_python_does_not_look_there(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    assert run(code_command("import json; print(json.dumps(1))")) == "1\n"
