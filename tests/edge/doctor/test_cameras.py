import dataclasses
from pathlib import Path

import pytest

from mnv2_edge.cameras import Camera
from mnv2_edge.cameras.video_nodes import VideoNode
from mnv2_edge.doctor import Machine
from mnv2_edge.doctor.device.cameras import check_ribbon_cameras
from mnv2_edge.doctor.probe import Probe, run_python


@pytest.fixture
def machine() -> Machine:
    return Machine(
        python=(3, 11, 2),
        distributions={},
        requirements=(),
        plugins=(),
        engine=Path("demo.tflite"),
        home=Path("home"),
        run_python=lambda *_: Probe("opened", ""),
        run_command=lambda *_: Probe("", "there is no such program"),
        root=Path("no jetson"),
        list_cameras=lambda: (),
        may_open=lambda _path: True,
        brokers=(),
        log_in=lambda _login: None,
    )


def with_cameras(machine: Machine, *uris: str, trouble: str = "") -> Machine:
    cameras = [Camera(uri, VideoNode(Path("/dev/video0"), "unicam", 0, "unicam", "x"), "ribbon", ()) for uri in uris]
    probe = Probe("" if trouble else "opened", trouble)
    return dataclasses.replace(machine, list_cameras=lambda: cameras, run_python=lambda *_: probe)


def test_where_there_is_none_nothing_is_tried(machine: Machine) -> None:
    finding = check_ribbon_cameras(with_cameras(machine, "0", trouble="must not be asked"))
    assert (finding.verdict, finding.mend) == ("ok", "")


def test_cameras_that_open(machine: Machine) -> None:
    finding = check_ribbon_cameras(with_cameras(machine, "picamera:0", "picamera:0", "picamera:1"))
    assert (finding.verdict, finding.why) == ("ok", "picamera:0 gives pictures; picamera:1 gives pictures")


@pytest.mark.parametrize(
    ("uri", "trouble", "mend"),
    [
        ("picamera:0", "picamera2 cannot be imported (numpy.dtype size changed)", "constraints-numpy1.txt"),
        (
            "picamera:0",
            "picamera2 cannot be imported (No module named 'libcamera')",
            "apt install -y python3-picamera2",
        ),
        ("picamera:0", "cannot be opened (busy): does another program use it?", "fuser"),
        ("csi:0", "it did not answer within 60 s", "systemctl restart nvargus-daemon"),
        ("csi:0", "GStreamer cannot be used from Python (No module named 'gi')", "apt install -y python3-gi"),
    ],
)
def test_each_trouble_has_its_command(machine: Machine, uri: str, trouble: str, mend: str) -> None:
    finding = check_ribbon_cameras(with_cameras(machine, uri, trouble=trouble))
    assert finding.verdict == "fail"
    assert trouble in finding.why
    assert mend in finding.mend


def test_the_child_process_tells_what_the_source_says(machine: Machine) -> None:
    real = dataclasses.replace(with_cameras(machine, "csi:left"), run_python=run_python)
    finding = check_ribbon_cameras(real)
    assert finding.verdict == "fail"
    assert "expected csi:N" in finding.why
