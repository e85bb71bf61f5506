"""The command `run` with cameras that are absent, hang or come back: real processes and signals."""

import signal
import threading
import time
from pathlib import Path

import pytest

from support.command import json_lines, start
from support.mjpeg_server import MjpegServer


class Running:
    """`mnv2-edge ARGS` as it runs; what it says on stderr is read while it does."""

    def __init__(self, *args: str | Path, home: Path) -> None:
        self.process = start(*args, home=home)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, word: str, *, times: int = 1, limit_s: float = 30) -> None:
        """Wait until so many lines hold the word."""
        deadline = time.monotonic() + limit_s
        while sum(word in line for line in self.lines) < times:
            assert time.monotonic() < deadline, (word, self.lines)
            time.sleep(0.05)

    def stop(self) -> str:
        """Press Ctrl-C; return what came on stdout."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        assert self.process.wait(10) == 0
        assert time.monotonic() - began < 1.5  # a second on a machine with nothing else to do
        self._reader.join(5)
        return out

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def __enter__(self) -> "Running":  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._reader.join(5)
        self.process.communicate()


def test_an_absent_camera_is_waited_for_quietly(tmp_path: Path) -> None:
    with Running("run", "--camera", "/dev/video77", "--wait-for-camera", home=tmp_path) as run:
        run.wait_for("reconnecting")
        time.sleep(2)
        assert run.process.poll() is None
        assert sum("video77" in line for line in run.lines) == 1
        assert run.stop() == ""


def test_a_camera_that_comes_late_goes_and_comes_back(tmp_path: Path) -> None:
    server = MjpegServer(fps=20)
    server.size = (320, 240)
    server.kill()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"version: 1\ncameras: [{{uri: '{server.url}', required: false, black_s: 0, max_rate: 10}}]\n"
        "sinks: [{stdout: {format: jsonl, records: all}}]\n"
    )
    with Running("run", "--config", config, home=tmp_path) as run:
        run.wait_for("reconnecting")
        server.start()
        run.wait_for("camera0: streaming")
        time.sleep(0.5)
        server.kill()
        run.wait_for("camera0: reconnecting", times=2)
        server.start()
        run.wait_for("camera0: streaming", times=2, limit_s=5)
        time.sleep(0.3)
        records = json_lines(run.stop())
    server.kill()
    states = [record["state"] for record in records if record["type"] == "state"]
    assert states == ["starting", "reconnecting", "streaming", "reconnecting", "streaming", "ended"]
    outages = [record["details"] for record in records if record["type"] == "event"]
    assert [outage["recovered"] for outage in outages] == [True, True]
    results = [record for record in records if record["type"] == "result"]
    assert [result["frame"] for result in results] == sorted({result["frame"] for result in results})
    assert results[-1]["gated"] > 0


@pytest.mark.acceptance
def test_a_hung_read_is_replaced_in_the_same_process_and_ctrl_c_still_ends_it(tmp_path: Path) -> None:
    with Running("run", "--camera", "replay:demo?faults=hang@3+600", "--format", "none", home=tmp_path) as run:
        run.wait_for("left behind")
        run.wait_for("was away for")
        assert run.process.poll() is None
        assert run.stop() == ""
        assert any("did not answer" in line for line in run.lines)


@pytest.mark.acceptance
def test_a_second_hung_read_ends_the_process_with_status_75(tmp_path: Path) -> None:
    process = start("run", "--camera", "replay:demo?faults=hang@3+600,hang@16+600", "--format", "none", home=tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "only a new process frees the camera" in err
    assert "Traceback" not in err
