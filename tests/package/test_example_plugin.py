"""The example plug-in installs as anybody's would, keeps the contracts, and runs."""

import csv
import subprocess
import sys

import pytest

from support.command import call, errors


@pytest.fixture
def installed(example, tmp_path):
    """Install the example beside everything else, and return the folder."""
    target = tmp_path / "site"
    command = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([sys.executable, *command, target, example], check=True, capture_output=True)
    return target


def test_it_is_listed_and_runs(installed, tmp_path):
    listed = call("plugins", home=tmp_path, PYTHONPATH=str(installed))
    assert ["mnv2_edge.sources", "testcard", "mnv2-edge-example", "1.0.0"] in [
        line.split()[:4] for line in listed.stdout.splitlines()
    ]
    path = tmp_path / "labels.csv"
    config = tmp_path / "c.yaml"
    config.write_text(
        "version: 1\ncameras:\n  - {uri: 'testcard:?fps=100&size=96x96', id: bars}\n"
        f"sinks:\n  - csv: {{path: {path}}}\n"
    )
    done = call("run", "--config", config, "--max-frames", "5", home=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 5
    assert {row["camera"] for row in rows} == {"bars"}
    assert all(row["label"] and 0 < float(row["score"]) <= 1 for row in rows)


def test_its_mistakes_are_told_like_ours(installed, tmp_path):
    done = call("run", "--camera", "testcard:?colour=red", home=tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 2
    assert errors(done.stderr) == ["mnv2-edge: error: testcard has no option 'colour': expected fps, size"]


def test_without_it_the_configuration_says_what_is_missing(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("version: 1\ncameras:\n  - uri: 'testcard:'\nsinks:\n  - csv: {path: x}\n")
    done = call("config", "check", config, home=tmp_path)
    assert done.returncode == 78
    assert [line.split(": ")[3] for line in errors(done.stderr)] == ["cameras[0].uri", "sinks[0].csv"]


def test_its_own_tests_pass(installed, example, tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", example]
    done = subprocess.run(
        [*command, "-c", example / "pyproject.toml", example / "tests"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
