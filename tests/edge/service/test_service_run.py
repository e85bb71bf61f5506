"""`mnv2-edge run` under a service manager, which the test plays."""

import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from support.command import COMMAND, environment, json_lines
from support.service_manager import ServiceManager

PICTURES = "demo?fps=60&size=320x240"


def write(path: Path, camera: str, more: str = "") -> Path:
    path.write_text(
        f"version: 1\ncameras:\n  - uri: {camera}\n    id: door\n{more}sinks:\n  - stdout: {{format: jsonl}}\n"
    )
    return path


@pytest.fixture
def manager(tmp_path):
    with closing(ServiceManager(tmp_path)) as manager:
        yield manager


@pytest.fixture
def run(manager, tmp_path):
    """Return what starts a run under the manager; what still runs at the end is killed."""
    started = []

    def go(*args, watchdog_s: float = 20.0, **more: str):
        variables = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(round(watchdog_s * 1e6))}
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [*COMMAND, "run", *map(str, args)],
                stdout=log,
                stderr=log,
                env=environment(tmp_path, **variables, **more),
            )
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.wait()


def ready(message):
    return message.get("READY") == "1"


def log_of(tmp_path: Path) -> str:
    return (tmp_path / "log").read_text()


def test_a_run_is_ready_fed_described_and_ended(run, manager, tmp_path):
    process = run("--config", write(tmp_path / "a.yaml", PICTURES), watchdog_s=2.0)
    at = manager.wait_for(ready)
    assert "EXTEND_TIMEOUT_USEC" in manager.messages[0]
    manager.wait_for(lambda message: message.get("WATCHDOG") == "1" and len(message) == 1, after=at)
    manager.wait_for(lambda message: "door streaming; last seen: " in message.get("STATUS", ""), after=at)
    process.send_signal(signal.SIGTERM)
    manager.wait_for(lambda message: message.get("STOPPING") == "1", after=at)
    assert process.wait(10) == 0


def test_an_absent_camera_is_no_reason_not_to_be_ready(run, manager, tmp_path):
    config = write(tmp_path / "a.yaml", "/dev/video77", "    required: false\n")
    run("--config", config, watchdog_s=2.0)
    at = manager.wait_for(ready)
    status = manager.wait_for(lambda message: "door reconnecting (" in message.get("STATUS", ""), after=at)
    for _ in range(3):
        status = manager.wait_for(lambda message: message.get("WATCHDOG") == "1", after=status + 1)


class TestReload:
    def test_a_good_file_is_taken_in_the_same_process(self, run, manager, tmp_path):
        config = write(tmp_path / "a.yaml", PICTURES)
        process = run("--config", config)
        at = manager.wait_for(ready)
        config.write_text(config.read_text().replace("id: door", "id: yard"))
        process.send_signal(signal.SIGHUP)
        at = manager.wait_for(lambda message: message.get("RELOADING") == "1", after=at)
        at = manager.wait_for(ready, after=at)
        manager.wait_for(lambda message: "yard streaming" in message.get("STATUS", ""), after=at)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        records = [line for line in log_of(tmp_path).splitlines() if line.startswith("{")]
        cameras = [record["camera"] for record in json_lines("\n".join(records))]
        assert list(dict.fromkeys(cameras)) == ["door", "yard"]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("version: 1\ncameras: [{uri: demo, rotate: 45}]\n", "a.yaml:2: cameras[0].rotate: 45"),
            ("version: 1\ncameras: [{uri: /dev/video77}]\nsinks: [stdout]\n", "/dev/video77"),
            ("version: 1\ncameras: [{uri: demo}]\nengine: {model: /nowhere.tflite}\n", "/nowhere.tflite"),
        ],
        ids=["wrong", "camera-absent", "engine-absent"],
    )
    def test_a_bad_one_changes_nothing_and_the_status_says_why(self, run, manager, tmp_path, text, why):
        config = write(tmp_path / "a.yaml", PICTURES)
        process = run("--config", config)
        at = manager.wait_for(ready)
        config.write_text(text)
        process.send_signal(signal.SIGHUP)
        at = manager.wait_for(lambda message: message.get("RELOADING") == "1", after=at)
        at = manager.wait_for(ready, after=at)
        manager.wait_for(
            lambda message: why in message.get("STATUS", "") and "door streaming" in message["STATUS"], after=at
        )
        assert process.poll() is None
        assert why in log_of(tmp_path)
        assert "Traceback" not in log_of(tmp_path)
