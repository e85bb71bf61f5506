"""What the guides show works, and nothing that there is goes unmentioned."""

import re
import subprocess
import sys

import pytest

from mnv2_edge.config.key_paths import all_paths
from mnv2_edge.config.read import parse_config
from mnv2_edge.config.rules import registered_names
from mnv2_edge.plugins import GROUPS
from support.command import environment


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def guide(root):
    """Return what reads a guide."""
    return lambda name: (root / "docs" / f"{name}.md").read_text(encoding="utf-8")


class TestLibrary:
    def run(self, code: str, tmp_path) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(tmp_path),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def test_run_in_fifteen_lines(self, guide, tmp_path):
        code = blocks(guide("library"), "python")[0]
        assert len([line for line in code.splitlines() if line.strip()]) <= 15
        lines = self.run(code, tmp_path)
        assert len(lines) == 20
        assert all(re.fullmatch(r"camera0 \d+ \S.*", line) for line in lines)

    def test_a_file_is_read(self, guide, tmp_path):
        (tmp_path / "mnv2-edge.yaml").write_text("version: 1\n")
        assert self.run(blocks(guide("library"), "python")[1], tmp_path) == []

    def test_the_parts_alone(self, guide, tmp_path):
        lines = self.run(blocks(guide("library"), "python")[2], tmp_path)
        assert [line.split()[0] for line in lines] == ["0", "1", "2", "3", "4"]

    def test_what_is_called_stable_is_there(self, guide):
        stable = guide("library").partition("## What is stable")[2]
        names = [name for name in re.findall(r"`(mnv2_\w+(?:\.\w+)+)`", stable) if name not in GROUPS]
        assert len(names) >= 8
        (exported,) = re.findall(r"^\| the names that `mnv2_edge` itself exports: (.*?) \|", stable, re.MULTILINE)
        code = "import importlib, sys\n" + "".join(
            f"import {name}\n" if name.rpartition(".")[2].islower() and not name.endswith("read_settings")
            else f"from {name.rpartition('.')[0]} import {name.rpartition('.')[2]}\n"
            for name in names
        ) + "".join(f"from mnv2_edge import {name}\n" for name in re.findall(r"`(\w+)`", exported))  # fmt: skip
        subprocess.run([sys.executable, "-c", code], check=True)


class TestConfiguration:
    def test_examples_are_valid(self, guide):
        examples = [block for block in blocks(guide("configuration"), "yaml") if block.startswith("version: 1")]
        assert examples
        for example in examples:
            parse_config(example.encode(), "example", registered_names())

    def test_every_key_is_explained(self, guide):
        explained = set(
            re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\| (.*?) \|", guide("configuration"), re.MULTILINE)))
        )
        assert all_paths().keys() - explained - {"version"} == set()


class TestPlugins:
    def test_every_group_is_explained(self, guide):
        for group in GROUPS:
            assert f"`{group}`" in guide("plugins")

    def test_imports_work(self, guide):
        for code in blocks(guide("plugins"), "python"):
            subprocess.run([sys.executable, "-c", code], check=True)

    def test_the_toml_is_that_of_the_example(self, guide, root):
        example = (root / "docs" / "examples" / "plugin" / "pyproject.toml").read_text()
        tomls = blocks(guide("plugins"), "toml")
        assert tomls
        assert [toml for toml in tomls if toml not in example] == []
