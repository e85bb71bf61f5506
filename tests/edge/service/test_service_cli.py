"""`mnv2-edge service` where nothing is installed, as a user meets it first."""

from pathlib import Path

import pytest

from support.command import call, errors

pytestmark = pytest.mark.skipif(Path("/opt/mnv2-edge").exists(), reason="mnv2-edge is installed as a service here")


def test_a_dry_run_says_what_would_be_done(tmp_path):
    config = tmp_path / "door.yaml"
    config.write_text("version: 1\ncameras: [{uri: demo}]\n")
    done = call("service", "install", config, "--dry-run", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"cp {config} /etc/mnv2-edge/door.yaml",
        "systemctl enable --now mnv2-edge@door.service",
    ]


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["install", "FILE"], 2, "sudo deploy/install.sh"),
        (["install", "FILE", "--name", "My Door"], 2, "cannot name an instance"),
        (["install", "nowhere.yaml"], 78, "nowhere.yaml cannot be read"),
        (["status", "door"], 2, "no instance 'door'"),
        (["logs", "../x"], 2, "cannot name an instance"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, args, status, words):
    config = tmp_path / "door.yaml"
    config.write_text("version: 1\ncameras: [{uri: demo}]\n")
    done = call("service", *[config if arg == "FILE" else arg for arg in args], home=tmp_path)
    assert done.returncode == status
    (error,) = errors(done.stderr)
    assert words in error


def test_a_model_that_was_not_built_comes_with_the_command_that_builds_it(tmp_path):
    config = tmp_path / "door.yaml"
    config.write_text("version: 1\ncameras: [{uri: demo}]\nengine: {model: mobilenet-v2}\n")
    done = call("service", "install", config, "--dry-run", home=tmp_path)
    assert done.returncode == 78
    (error,) = errors(done.stderr)
    assert "`mnv2-edge build-engine mobilenet-v2 --calibration FOLDER`, then install the service again" in error


def test_no_instance_is_not_healthy(tmp_path):
    done = call("service", "status", home=tmp_path)
    assert done.returncode == 1
    assert "sudo mnv2-edge service install" in done.stderr
