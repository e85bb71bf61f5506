"""The example plug-in installs as anybody's would, keeps the contracts, and runs."""

import csv
import json
import shutil
import subprocess
import sys

import cv2
import pytest

from mnv2_edge.demo import render, true_label
from mnv2_engines.demo import demo_engine_path
from support.command import call, errors, json_lines


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


SEED = 5


@pytest.fixture
def signs(tmp_path):
    """Return pictures of signs in folders called after them."""
    folder = tmp_path / "signs"
    for frame in range(0, 240, 10):
        place = folder / true_label(SEED, frame)
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{frame:03}.png"), render(SEED, frame)[..., ::-1])
    return folder


@pytest.fixture
def network(tmp_path):
    """Return an ONNX file as somebody has it, with what it was trained with beside it, and nothing built of it."""
    folder = tmp_path / "models"
    folder.mkdir()
    demo = demo_engine_path()
    shutil.copy(demo.with_suffix(".onnx"), folder / "x.onnx")
    shutil.copy(demo.with_suffix(".yaml"), folder / "x.yaml")
    shutil.copy(demo.with_name("labels.txt"), folder)
    return folder / "x.onnx"


@pytest.fixture
def command(environment, distributions, example, tmp_path):
    """Return what runs `mnv2-edge` in an environment where two wheels are installed, ours and the example's."""
    wheels = tmp_path / "wheels"
    build = ["-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-w", wheels, example]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    environment.install(distributions.wheel, *wheels.glob("*.whl"))
    environment.lend_dependencies()
    home = {
        "MNV2_EDGE_HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PATH": "/usr/bin:/bin",
    }

    def run(*words, status=0):
        words = [environment.python, "-m", "mnv2_edge", *words]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=home, check=False)
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    run.pip = lambda *words: environment.run("-m", "pip", *words)
    return run


@pytest.mark.timeout(600)
def test_its_backend_is_used_like_ours_from_installed_wheels(command, network, signs, tmp_path):
    listed = [line.split()[:3] for line in command("plugins").stdout.splitlines()]
    assert ["mnv2_engines.backends", "onnxruntime", "mnv2-edge-example"] in listed

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    truth = {}
    for path in signs.rglob("*.png"):
        truth[path.name] = path.parent.name
        shutil.copy(path, pictures)

    def look(model):
        done = command("run", "--model", model, "--camera", pictures, "--format", "jsonl")
        results = [record for record in json_lines(done.stdout) if "predictions" in record]
        assert len(results) == len(truth)
        right = [one for one in results if one["predictions"][0]["label"] == truth[one["picture"]]]
        assert len(right) > 0.9 * len(results)
        return {one["engine"].partition("@")[0] for one in results}

    assert look(network) == {"x"}
    told = json.loads(command("evaluate", "--model", network, "--data", signs, "--json").stdout)
    assert told["engine"]["top1"]["value"] > 0.9

    command("build-engine", network, "--name", "signs", "--target", "onnxruntime", "--validation", pictures)
    assert (tmp_path / "home" / "engines" / "signs" / "signs.onnx").is_file()
    assert "onnxruntime fp32" in command("engines", "list").stdout
    archive = tmp_path / "signs.mnv2"
    command("engines", "export", "signs", archive)
    command("engines", "remove", "signs")
    command("engines", "import", archive)
    command("engines", "verify")
    assert look("signs") == {"signs"}
    told = json.loads(command("evaluate", "--model", "signs", "--data", signs, "--json").stdout)
    assert told["float"]["agreement"]["value"] > 0.95
    checks = {check["name"]: check for check in json.loads(command("doctor", "--json", status=None).stdout)["checks"]}
    assert checks["engines"]["verdict"] == "ok", checks["engines"]
    assert "mnv2-edge-example" in checks["plug-ins"]["why"]
    config = tmp_path / "c.yaml"
    config.write_text("version: 1\nengine: {model: signs, options: {onnxruntime: {thread: 2}}}\n")
    assert "onnxruntime" in command("config", "check", config, status=78).stderr

    command.pip("uninstall", "--yes", "--quiet", "mnv2-edge-example")
    refused = command("run", "--model", "signs", "--camera", pictures, status=65)
    assert "'onnxruntime' is an engine format that no installed package reads" in refused.stderr
    refused = command("engines", "import", archive, status=65)
    assert "'onnxruntime' is an engine format that no installed package reads" in refused.stderr
    refused = command("run", "--model", network, "--camera", pictures, status=65)
    assert "is a model, expected an engine" in refused.stderr
