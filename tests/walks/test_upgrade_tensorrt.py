"""From an ONNX file to a plan, an upgrade of TensorRT, and back to the GPU: real processes, with fakes of its parts."""

import itertools
import signal

import cv2
import pytest

from mnv2_edge.demo import render
from mnv2_engines.demo import demo_engine_path
from support.command import call, json_lines, start
from support.fake_packages import write_fake_packages

pytestmark = pytest.mark.acceptance


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number:02}.png"), render(5, 40 * number)[..., ::-1])
    return folder


def test_the_int8_engine_serves_while_the_plan_is_built_again(tmp_path, scenes) -> None:
    model = demo_engine_path().with_suffix(".onnx")
    config = tmp_path / "c.yaml"
    config.write_text("version: 1\nsinks: [{stdout: {format: jsonl, records: all}}]\n")
    before = {"home": tmp_path, "PYTHONPATH": write_fake_packages(tmp_path / "modules"), "FAKE_TENSORRT": "10.3.0"}
    after = {**before, "FAKE_TENSORRT": "10.7.0"}

    built = call("build-engine", model, "--target", "tensorrt", "--name", "signs", **before)
    assert built.returncode == 0, built.stderr
    assert call("engines", "verify", "signs", **before).returncode == 0
    stale = call("run", "--camera", "demo", "--model", "signs", **after)
    assert stale.returncode == 65
    assert "TensorRT 10.3.0 became 10.7.0: build it again with `mnv2-edge engines rebuild signs`" in stale.stderr

    small = call("build-engine", model, "--target", "litert", "--calibration", scenes, "--name", "small", **after)
    assert small.returncode == 0, small.stderr
    words = ("--camera", "demo?fps=100", "--model", "signs", "--build", "stale")
    running = start("run", "--config", config, *words, **after)
    lines = []
    for line in running.stdout:
        lines.append(line)
        if '"engine":"signs@' in line and '"type":"result"' in line:
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 0, err
    assert "Traceback" not in err
    records = json_lines("".join(lines))
    engines = [record["engine"].partition("@")[0] for record in records if record["type"] == "result"]
    assert [name for name, _ in itertools.groupby(engines)] == ["small", "signs"]
    reasons = [record["reason"] for record in records if record["type"] == "state" and record["state"] == "streaming"]
    assert reasons[0].startswith("rebuilding signs: ")
    assert reasons[0].endswith("TensorRT 10.3.0 became 10.7.0")
    assert reasons[-1] == ""
    assert call("engines", "verify", "signs", **after).returncode == 0
